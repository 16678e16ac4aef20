"""The task family of files, each of which is a task."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from workers.settings.groups_task import GroupsTask
from workers.settings.losses.loss_task import WeightedLossTask, loss_setting
from workers.settings.registry import named
from workers.settings.section import Size, setting
from workers.settings.task import Tables


class NpzTask(GroupsTask, WeightedLossTask):
    """Tasks from .npz files, one file each: arrays x and y, best also query_x and query_y."""

    gives = frozenset({"numbers", "images", "signals"})
    family = "workers.tasks.npz.family:NpzFamily"
    losses = ("mse", "cross_entropy")
    scored = frozenset({"numbers", "classes", "labels"})
    pictures = ("predicted", "confusion")
    reader = "arrays"
    takes_ranges = True
    data = ("path", "split_file")
    members = (".npz",)
    defaults: ClassVar[Tables] = {
        "model": {"kind": "mlp", "hidden": [64, 64]},  # its kind depends on the arrays
        "algorithm": {"kind": "maml", "inner_lr": 0.01, "inner_steps": 5},
        "outer": {
            "optimizer": "adam",
            "lr": 3e-3,
            "schedule": "cosine",
            "meta_batch_size": 25,
            "steps": 3000,
        },
        "evaluation": {
            "inner_steps": [1, 3, 5, 10],
            "inner_lr": [0.001, 0.003, 0.01, 0.03, 0.1],
        },
    }

    kind: Literal["npz"] = "npz"
    loss: str = loss_setting(later=False)
    path: str = setting(
        ..., "a folder or a .zip of .npz files, each a task of its name", bits=False, place="data"
    )
    small_tasks: Literal["refuse", "leave_out"] = setting(
        "refuse", "a file with too few examples for shots and queries: an error, or left out"
    )
    shots: Size = setting(
        5,
        "support examples per task, drawn from x, of each class where there are any, 1 to 10^5, or "
        "a range such as [1, 10], of which each task draws",
    )
    queries: Size = setting(
        5,
        "query examples per task, likewise, drawn from query_x or from the rest of x, 1 to 10^5, "
        "or a range",
    )

    @classmethod
    def default_model(cls, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `TaskRecord.default_model`: images get a network for images."""
        kind = named("workers.tasks.npz.default_model:model_kind_of")(
            json.dumps(task, default=str, sort_keys=True)
        )
        return cls.defaults["model"] if kind == "mlp" else {"kind": kind}
