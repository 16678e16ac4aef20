"""A command as a job on a Ray cluster."""
