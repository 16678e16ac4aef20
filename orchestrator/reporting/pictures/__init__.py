"""The pictures of task families."""
