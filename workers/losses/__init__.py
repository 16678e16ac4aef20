"""Losses: one record each, with its metrics and what its outputs mean."""
