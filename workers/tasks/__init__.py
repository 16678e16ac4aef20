"""Task families: a seeded draw -> small specs -> episodes."""
