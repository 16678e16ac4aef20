"""The driver: given updates, what next theta, and who is alive? Start reading at `loop.py`."""
