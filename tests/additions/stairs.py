"""Regression of stairs, whose steps are as high as a file says."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from workers.settings.section import setting
from workers.settings.task import Tables, TaskRecord
from workers.tasks.data_folder import find_file
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Draw, Episode, Specs


class StairsTask(TaskRecord):
    """Stairs of one height and many beginnings."""

    gives = frozenset({"numbers"})
    family = "workers.tasks.stairs:StairsFamily"
    losses = ("mse",)
    pictures = ("dots",)
    reader = "pairs"
    data = ("path",)
    defaults: ClassVar[Tables] = {
        "model": {"kind": "waves", "frequencies": 3},
        "algorithm": {"kind": "halfway", "inner_lr": 0.05, "inner_steps": 2},
        "outer": {"optimizer": "sgd", "lr": 0.5, "meta_batch_size": 4, "steps": 3},
        "evaluation": {
            "tasks": 4,
            "validation_tasks": 4,
            "inner_steps": [1, 2],
            "inner_lr": [0.01, 0.05],
        },
    }

    kind: Literal["stairs"] = "stairs"
    path: str = setting(..., "a file that holds a number: the height", bits=False, place="data")
    shots: int = setting(5, "support points per task, 1 to 100", ge=1, le=100)
    queries: int = setting(5, "query points per task, 1 to 100", ge=1, le=100)


class StairsFamily(TaskFamily):
    """y = height * floor(x - begin), begin and x uniform."""

    loss = "mse"
    picture = "dots"
    input_shape = (1,)
    num_outputs = 1

    def __init__(self, settings: StairsTask):
        self._height = float(Path(find_file(settings.path, "task.path")).read_text())

    @property
    def preparation(self) -> dict[str, Any]:
        """The height, for readers."""
        return {"height": self._height}

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """Beginnings and points."""
        unit = draw.generator().random((hi, 1 + shots + queries))[lo:]
        points = 6 * unit[:, 1:] - 3
        return {"begin": unit[:, 0], "support": points[:, :shots], "query": points[:, shots:]}

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Inputs and targets float32 [tasks, examples, 1]."""
        arrays = []
        for name in ("support", "query"):
            x = np.asarray(specs[name])
            y = self._height * np.floor(x - np.asarray(specs["begin"])[:, None])
            arrays += [x[..., None].astype(np.float32), y[..., None].astype(np.float32)]
        return Episode(*arrays)
