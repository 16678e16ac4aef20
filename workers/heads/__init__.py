"""Heads that are computed from a task's support set, for any number of classes."""
