"""Text for people and files: terminals, JSON, names, redacted secrets."""
