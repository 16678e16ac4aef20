"""Adapted weights as files and texts that need no metatrain."""
