"""Task families that are a function or a class of the user's own."""
