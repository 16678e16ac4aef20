"""Models that keep a state from step to step, what they see of a step, and their unrolling."""
