"""Keras models, one per file, and how they are called as pure functions of their weights."""
