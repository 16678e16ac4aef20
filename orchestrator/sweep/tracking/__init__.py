"""The log of a sweep on an MLflow server."""
