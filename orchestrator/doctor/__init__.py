"""The checks of `metatrain doctor`: this installation, and the cost of a configuration here."""
