"""Small tables of tasks' texts for tests."""

import numpy as np

VOICES = ("baba", "coco", "didi", "gugu", "kiki", "lala", "momo", "nunu", "pepe", "zaza")


def rows_of(num_tasks=10, per_task=12):
    """(voice, text): a task says its own syllables, in lines that nobody else has."""
    rng = np.random.default_rng(0)
    found = []
    for voice in VOICES[:num_tasks]:
        texts: set[str] = set()
        while len(texts) < per_task:
            said = rng.choice([voice[:2], voice[2:], "x", " y"], rng.integers(2, 7))
            texts.add(voice[:2] + "".join(said))
        found += [(voice, text) for text in sorted(texts)]
    return found
