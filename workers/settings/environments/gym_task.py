"""The settings of the task family of gymnasium environments."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from workers.settings.environments.environment_task import EnvironmentTask
from workers.settings.environments.varied import Varied
from workers.settings.registry import named
from workers.settings.section import setting
from workers.settings.task import Tables


class GymTask(EnvironmentTask):
    """Gymnasium environments, or your own with its interface, that vary from task to task."""

    family = "workers.tasks.environments.gym:GymFamily"
    losses = ("gaussian_policy", "categorical_policy")
    pictures = ("observed",)
    films = True
    reader = "gym"
    defaults: ClassVar[Tables] = {
        "model": {"hidden": [64, 64], "activation": "tanh"},  # the kind depends on the actions
        "algorithm": {"kind": "maml", "inner_lr": 0.1, "inner_steps": 1},
        "outer": {"optimizer": "trpo", "max_divergence": 0.01, "meta_batch_size": 20, "steps": 200},
        "evaluation": {
            "tasks": 40,
            "validation_tasks": 20,
            "inner_steps": [1, 2, 3],
            "inner_lr": [0.05, 0.1, 0.3, 1.0],
        },
    }

    kind: Literal["gym"] = "gym"
    environment: str = setting(
        ...,
        "a name in gymnasium, also as 'module:Name-v0', or 'module:Class' of your own",
    )
    arguments: dict[str, Any] = setting({}, "arguments of the constructor, by name")
    vary: dict[str, Varied] = setting(
        {}, "attribute, or argument of the constructor -> its distribution"
    )
    folder: str = setting(".", "first folder to import the module from", bits=False, place="here")

    @field_validator("folder")
    @classmethod
    def _absolute(cls, value: str) -> str:
        """Make the path absolute: a run may resume, and actors start, in another folder."""
        return str(Path(value).expanduser().absolute())

    @property
    def modules(self) -> list[str]:
        """See `Record.modules`; a name without a module is gymnasium's."""
        module = self.environment.rpartition(":")[0]
        return [module] if module else []

    @classmethod
    def default_model(cls, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `TaskRecord.default_model`; the kind depends on whether actions are numbers."""
        kind = named("workers.tasks.environments.gym_actions:model_kind_of")(
            json.dumps(task, default=str, sort_keys=True)
        )
        return {"kind": kind, **cls.defaults["model"]}
