"""Environments that policies act in."""
