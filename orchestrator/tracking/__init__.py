"""The log of a run or a sweep on a tracking service: MLflow, Weights & Biases."""
