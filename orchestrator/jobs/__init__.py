"""Commands as jobs on a Ray cluster."""
