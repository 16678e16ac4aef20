"""Models that an algorithm makes of others, with weights that it alone needs."""
