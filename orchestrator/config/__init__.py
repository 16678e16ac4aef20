"""The schema of a run's configuration, and the sources of configurations."""
