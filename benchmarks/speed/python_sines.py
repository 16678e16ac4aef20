"""Finn's sinusoids as a user writes them: a task at a time, and many at once."""

import numpy as np


def sines(rng, split, shots, queries):
    """One task."""
    amplitude, phase = rng.uniform(0.1, 5.0), rng.uniform(0, np.pi)
    x = rng.uniform(-5, 5, (shots + queries, 1))
    y = amplitude * np.sin(x - phase)
    return (x[:shots], y[:shots]), (x[shots:], y[shots:])


def many_sines(rng, split, num_tasks, shots, queries):
    """Tasks along the first axis."""
    amplitude = rng.uniform(0.1, 5.0, (num_tasks, 1, 1))
    phase = rng.uniform(0, np.pi, (num_tasks, 1, 1))
    x = rng.uniform(-5, 5, (num_tasks, shots + queries, 1))
    y = amplitude * np.sin(x - phase)
    return (x[:, :shots], y[:, :shots]), (x[:, shots:], y[:, shots:])
