"""Checks of a user's model before anything is trained."""
