"""Execution: TensorFlow's start, compiled graphs, the task map, and fault isolation."""
