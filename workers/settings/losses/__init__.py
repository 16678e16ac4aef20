"""The settings of losses and metrics."""
