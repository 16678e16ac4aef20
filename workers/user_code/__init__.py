"""Users' own modules: importing them, their digest, and errors that name their lines."""
