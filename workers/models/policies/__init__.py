"""Models for policies alone."""
