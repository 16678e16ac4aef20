"""A small run that goes on with texts. Nothing here imports TensorFlow."""

import functools
import os
import tempfile
from pathlib import Path
from typing import Any

from small_configs import SINUSOID, changed
from small_passages import VOICES, rows_of
from small_texts import write

from orchestrator.config.schema import MetaConfig

SETTINGS: dict[str, Any] = {
    **SINUSOID,
    "task": {
        "kind": "generation",
        "task_column": "voice",
        "shots": 3,
        "queries": 4,
        "length": 16,
        "train_tasks": 6,
        "validation_tasks": 2,
        "test_tasks": 2,
    },
    "model": {"kind": "transformer", "layers": 1, "width": 8, "heads": 2},
    "algorithm": {"kind": "maml", "inner_lr": 0.3},
    "outer": {"lr": 0.01, "meta_batch_size": 4, "steps": 8},
}


@functools.cache
def table() -> Path:
    """Ten voices with 14 texts each, all of the same letters. Not to be written to."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["RAY_TMPDIR"]))
    rows = rows_of()
    letters = "".join(sorted({letter for _, text in rows for letter in text}))
    rows += [(voice, half) for voice in VOICES for half in (letters[:9], letters[9:])]
    return write(folder / "voices.csv", rows, ("voice", "text"))


def voices(*overrides: str) -> MetaConfig:
    return changed(SETTINGS, f"task.path={table()}", *overrides)
