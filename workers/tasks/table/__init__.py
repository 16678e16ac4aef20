"""Tasks from tables, and the files that hold tables."""
