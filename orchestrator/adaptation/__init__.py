"""A trained run, adapted to a user's own data."""
