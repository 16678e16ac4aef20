"""The inner loop: batches, losses, optimizers and steps."""
