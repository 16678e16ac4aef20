"""A trained run as functions for other programs."""
