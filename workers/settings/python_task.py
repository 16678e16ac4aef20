"""The task family of a user's own function."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from workers.settings.losses.loss_task import WeightedLossTask, loss_setting
from workers.settings.registry import named
from workers.settings.section import setting
from workers.settings.task import Tables


class PythonTask(WeightedLossTask):
    """Tasks that a function or a class of the user's own draws."""

    gives = frozenset({"numbers", "images", "signals"})
    family = "workers.tasks.python.family:PythonFamily"
    losses = ("mse", "cross_entropy")
    scored = frozenset({"numbers", "classes", "labels"})
    needs_folder = True
    pictures = ("curves", "predicted", "confusion")
    reader = "arrays"
    defaults: ClassVar[Tables] = {
        "model": {"kind": "mlp", "hidden": [40, 40]},  # its kind depends on the tasks
        "algorithm": {"kind": "maml", "inner_lr": 0.01, "inner_steps": 1},
        "outer": {"optimizer": "adam", "lr": 1e-3, "meta_batch_size": 25, "steps": 15_000},
        "evaluation": {
            "inner_steps": [1, 5, 10],
            "inner_lr": [0.005, 0.01, 0.02, 0.05, 0.2],
        },
    }

    kind: Literal["python"] = "python"
    loss: str = loss_setting(later=False)
    source: str = setting(
        ...,
        "'module:function', called with (rng, split, shots, queries), or 'module:Class' with such "
        "a method `task`; it returns ((x, y), (x, y)): support, then query. A function with "
        "num_tasks before shots, or a method `tasks`, draws many tasks at once",
    )
    arguments: dict[str, Any] = setting(
        {}, "further arguments of the function, or those of the class, by name"
    )
    folder: str = setting(
        ".", "folder that the module is imported from first", bits=False, place="here"
    )
    imports: tuple[str, ...] = setting(
        (),
        "further modules that the tasks, loss or metrics depend on: imported first, sent with a "
        "job, and part of the digest",
        bits=False,
    )
    shots: int = setting(
        10, "support examples per task, as the function is told, 1 to 10^5", ge=1, le=10**5
    )
    queries: int = setting(
        10, "query examples per task, as the function is told, 1 to 10^5", ge=1, le=10**5
    )
    draw_together: int = setting(
        32,
        "tasks of a call, where the function draws many tasks at once, 1 to 10^4",
        ge=1,
        le=10**4,
    )

    @field_validator("source")
    @classmethod
    def _named(cls, value: str) -> str:
        module, colon, name = value.partition(":")
        parts = [*module.split("."), *name.split(".")]
        if not colon or not all(part.isidentifier() for part in parts):
            raise ValueError("should be 'module:function' or 'module:Class', such as 'tasks:sines'")
        return value

    @property
    def source_modules(self) -> list[str]:
        """The modules that tasks are drawn with; the last one is that of the source."""
        return [*self.imports, self.source.partition(":")[0]]

    @property
    def modules(self) -> list[str]:
        """See `Record.modules`."""
        return list(dict.fromkeys([*self.source_modules, *self.loss_modules]))

    @classmethod
    def default_model(cls, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `TaskRecord.default_model`: images get a network for images."""
        looked = _look_at(task)
        return cls.defaults["model"] if looked.model == "mlp" else {"kind": looked.model}

    @classmethod
    def default_tables(cls, task: Mapping[str, Any]) -> Tables:
        """See `TaskRecord.default_tables`: classes need more inner steps, and faster ones."""
        return (
            _OF_CLASSES | {"model": cls.defaults["model"]}
            if _look_at(task).classifies
            else (cls.defaults)
        )


def _look_at(task: Mapping[str, Any]) -> Any:
    look = named("workers.tasks.python.default_model:look_at")
    return look(json.dumps(task, default=str, sort_keys=True))


#: What suits classification; the rates of `PythonTask.defaults` are those of sinusoids.
_OF_CLASSES: dict[str, Mapping[str, Any]] = {
    "algorithm": {"kind": "maml", "inner_lr": 0.05, "inner_steps": 5},
    "outer": {"optimizer": "adam", "lr": 1e-3, "meta_batch_size": 25, "steps": 5000},
    "evaluation": {"inner_steps": [1, 5, 10], "inner_lr": [0.01, 0.05, 0.1, 0.3]},
}
