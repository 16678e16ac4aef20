"""From contributions to the next theta."""
