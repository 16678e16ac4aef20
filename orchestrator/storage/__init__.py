"""Folders, files, checkpoints and claims on any filesystem."""
