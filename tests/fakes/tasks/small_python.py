"""Small task families in Python, as a user writes them."""

import numpy as np


def sines(rng, split, shots, queries, height=5.0):
    """Finn's sinusoids."""
    amplitude, phase = rng.uniform(0.1, height), rng.uniform(0, np.pi)
    x = rng.uniform(-5, 5, (shots + queries, 1))
    y = amplitude * np.sin(x - phase)
    return (x[:shots], y[:shots]), (x[shots:], y[shots:])


def many_sines(rng, split, num_tasks, shots, queries):
    """The same, many tasks at once."""
    amplitude = rng.uniform(0.1, 5, (num_tasks, 1, 1))
    phase = rng.uniform(0, np.pi, (num_tasks, 1, 1))
    x = rng.uniform(-5, 5, (num_tasks, shots + queries, 1))
    y = amplitude * np.sin(x - phase)
    return (x[:, :shots], y[:, :shots]), (x[:, shots:], y[:, shots:])


class Blobs:
    """Classification of points around centres; those of test tasks are further apart."""

    def __init__(self, classes=3):
        self.classes = classes

    def task(self, rng, split, shots, queries):
        spread = 3.0 if split == "test" else 2.0
        centers = spread * rng.normal(size=(self.classes, 2))

        def some(number):
            y = np.repeat(np.arange(self.classes), number)
            return centers[y] + 0.3 * rng.normal(size=(len(y), 2)), y

        return some(shots), some(queries)


class ManyBlobs(Blobs):
    """The same, many tasks at once."""

    def tasks(self, rng, split, num_tasks, shots, queries):
        each = [self.task(rng, split, shots, queries) for _ in range(num_tasks)]
        return tuple(tuple(np.array([t[s][i] for t in each]) for i in (0, 1)) for s in (0, 1))


def pictures(rng, split, shots, queries):
    """Two classes of 16 x 16 pictures: bright above, or below."""

    def some(number):
        y = np.arange(2 * number) % 2
        x = rng.integers(0, 100, (len(y), 16, 16, 1), dtype=np.uint8)
        x[y == 0, :8] += 100
        x[y == 1, 8:] += 100
        return x, y

    return some(shots), some(queries)


def waves(rng, split, shots, queries):
    """Two classes of signals of 20 samples, by their frequencies."""
    frequencies = rng.uniform(0.2, 1.5, 2)

    def some(number):
        y = np.arange(2 * number) % 2
        phase = rng.uniform(0, 6, (len(y), 1))
        return np.sin(frequencies[y][:, None] * np.arange(20) + phase)[..., None], y

    return some(shots), some(queries)


def with_covariate(rng, split, shots, queries):
    """A series and the number of a site: what follows is a sum, shifted by the site."""
    offsets = rng.normal(size=4)

    def some(number):
        series, site = rng.normal(size=(number, 6, 1)), rng.integers(4, size=number)
        y = series.sum(axis=(1, 2)) + offsets[site]
        return {"series": series, "site": site}, y

    return some(shots), some(queries)


def many_with_covariate(rng, split, num_tasks, shots, queries):
    """The same, many tasks at once."""

    def some(number):
        each = [with_covariate(rng, split, number, 1)[0] for _ in range(num_tasks)]
        x = {key: np.array([x[key] for x, _ in each]) for key in ("series", "site")}
        return x, np.array([y for _, y in each])

    return some(shots), some(queries)
