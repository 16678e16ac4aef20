"""Which hyperparameters? Ray Tune over whole runs, each of them what `metatrain train` does."""
