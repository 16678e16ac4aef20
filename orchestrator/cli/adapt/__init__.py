"""The commands that adapt a trained run: adapt, generate, adapt-policy."""
