"""The commands about jobs on a cluster."""
