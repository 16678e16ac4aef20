"""Where blocks run, and what happens if they do not come back."""
