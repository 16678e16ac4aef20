"""Replicas of a service on Ray Serve, and what they share."""
