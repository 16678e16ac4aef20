"""Readers of a user's own examples, one for each kind of task."""
