"""Hyperparameter sweeps: Ray Tune over whole runs, each like one of `metatrain train`."""
