"""The outer update: from contributions to the next theta."""
