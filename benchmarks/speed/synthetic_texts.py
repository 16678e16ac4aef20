"""Tables of random texts, for benchmarks of speed, where the content does not matter."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_SPEAKERS, _LINES, _LETTERS = 20, 60, 63
_INTENTS, _TEXTS, _WORDS = 150, 30, 3000


def write_lines(file: Path) -> None:
    """Write lines of 20 to 60 of 63 characters: about as long and as many as Tiny Shakespeare's."""
    rng = np.random.default_rng(0)
    texts = [
        "".join(chr(33 + int(i)) for i in rng.integers(0, _LETTERS, rng.integers(20, 61)))
        for _ in range(_SPEAKERS * _LINES)
    ]
    speakers = [f"speaker{i // _LINES}" for i in range(len(texts))]
    order = list(range(len(texts)))
    table = pa.table({"speaker": speakers, "line_no": order, "text": texts})
    pq.write_table(table, file)


def write_intents(file: Path) -> None:
    """Write texts of 4 to 12 words of 2 to 9 letters, with word frequencies like CLINC150's."""
    rng = np.random.default_rng(0)
    words = ["".join(chr(97 + int(i)) for i in rng.integers(0, 26, n)) for n in _sizes(rng)]
    shares = 1 / np.arange(2, _WORDS + 2)
    texts = [
        " ".join(rng.choice(words, rng.integers(4, 13), p=shares / shares.sum()))
        for _ in range(_INTENTS * _TEXTS)
    ]
    intents = [f"intent{i // _TEXTS}" for i in range(len(texts))]
    pq.write_table(pa.table({"text": texts, "intent": intents}), file)


def _sizes(rng: np.random.Generator) -> list[int]:
    return [int(size) for size in rng.integers(2, 10, _WORDS)]
