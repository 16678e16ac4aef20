"""Tables of random lines, for benchmarks of speed: what lines say does not matter there."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_SPEAKERS, _LINES, _LETTERS = 20, 60, 63


def write_lines(file: Path) -> None:
    """Lines of 20 to 60 of 63 characters: about as long as Tiny Shakespeare's, and as many."""
    rng = np.random.default_rng(0)
    texts = [
        "".join(chr(33 + int(i)) for i in rng.integers(0, _LETTERS, rng.integers(20, 61)))
        for _ in range(_SPEAKERS * _LINES)
    ]
    speakers = [f"speaker{i // _LINES}" for i in range(len(texts))]
    order = list(range(len(texts)))
    table = pa.table({"speaker": speakers, "line_no": order, "text": texts})
    pq.write_table(table, file)
