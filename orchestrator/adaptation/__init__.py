"""Adaptation of a trained run to a user's own data."""
