"""TensorFlow's start, compiled graphs, and the map over a block's tasks."""
