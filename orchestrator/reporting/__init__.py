"""Reports for people: terminal, pages and pictures."""
