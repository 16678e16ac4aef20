"""The schema of a run's configuration, and where configurations come from."""
