"""The settings of the task family of gymnasium environments."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from workers.settings.environments.environment_task import EnvironmentTask
from workers.settings.environments.listed import check_splits, read_environments
from workers.settings.environments.varied import Varied
from workers.settings.registry import named
from workers.settings.section import setting
from workers.settings.task import Tables

_COUNTS = ("train_tasks", "validation_tasks", "test_tasks")
_BY_NUMBERS = (*_COUNTS, "split_shares", "split_seed")


class GymTask(EnvironmentTask):
    """Gymnasium environments, or your own with its interface, that vary from task to task."""

    family = "workers.tasks.environments.gym:GymFamily"
    losses = ("gaussian_policy", "categorical_policy")
    pictures = ("observed",)
    films = True
    reader = "gym"
    data = ("split_file", "environments")
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
    environment: str | None = setting(
        None,
        "a name in gymnasium, also as 'module:Name-v0', or 'module:Class' of your own; needed "
        "unless each of environments has an id",
    )
    environments: tuple[dict[str, Any], ...] = setting(
        (),
        "tasks {id = NAME, ...} with arguments or attributes, or a .json or .toml file of them; an "
        "unset id is that of environment; split = 'train', 'validation' or 'test' fixes the split",
        later=True,
        place="here",
    )
    arguments: dict[str, Any] = setting({}, "arguments of the constructor, by name")
    vary: dict[str, Varied] = setting(
        {}, "attribute, or argument of the constructor -> its distribution"
    )
    split: bool | None = setting(
        None,
        "whether the combinations of environments and choices are split into training, validation "
        "and test tasks; unset: if there are environments, or a setting of the split",
        later=True,
    )
    train_tasks: int | None = setting(
        None,
        "combinations to train on, 1 to 10^9; unset: a share of the rest",
        later=True,
        ge=1,
        le=10**9,
    )
    validation_tasks: int | None = setting(
        None,
        "combinations to validate on, 1 to 10^9; unset: a share of the rest",
        later=True,
        ge=1,
        le=10**9,
    )
    test_tasks: int | None = setting(
        None,
        "combinations to test on, 1 to 10^9; unset: a share of the rest",
        later=True,
        ge=1,
        le=10**9,
    )
    split_shares: tuple[float, float, float] | None = setting(
        None,
        "shares of training, validation and test if no number is set, each above 0, sum 1; unset: "
        "0.64, 0.16, 0.2",
        later=True,
    )
    split_seed: int | None = setting(
        None, "seed of the split, 0 to 2^32 - 1; unset: 0", later=True, ge=0, lt=2**32
    )
    split_file: str | None = setting(
        None,
        "JSON {'train': [task, ...], 'validation': [...], 'test': [...]} instead of a seed; tasks "
        "are named as in `metatrain data`",
        bits=False,
        place="here",
    )
    folder: str = setting(".", "first folder to import the module from", bits=False, place="here")

    @field_validator("folder", "split_file")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        """Make the path absolute: a run may resume, and actors start, in another folder."""
        return None if value is None else str(Path(value).expanduser().absolute())

    @field_validator("environments", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """Read a file, so that a run and its actors need it no more."""
        return read_environments(value)

    @field_validator("split_shares")
    @classmethod
    def _are_shares(
        cls, value: tuple[float, float, float] | None
    ) -> tuple[float, float, float] | None:
        if value is not None and (min(value) <= 0 or abs(sum(value) - 1) > 1e-6):
            raise ValueError("should be three numbers above 0 that add up to 1")
        return value

    @model_validator(mode="after")
    def _named(self) -> Self:
        unnamed = [i for i, table in enumerate(self.environments) if not table.get("id")]
        if self.environment is None and (unnamed or not self.environments):
            which = f"task.environments[{unnamed[0]}] has no id, and " if unnamed else ""
            raise ValueError(
                f"{which}task.environment is missing (a name in gymnasium, or 'module:Class' of "
                "your own)"
            )
        for i, table in enumerate(self.environments):
            if twice := sorted(table.keys() & self.vary.keys()):
                raise ValueError(
                    f"{twice[0]} is in task.environments[{i}] and in task.vary; give it once"
                )
        return self

    @model_validator(mode="after")
    def _split_fits(self) -> Self:
        numbers = [name for name in _BY_NUMBERS if getattr(self, name) is not None]
        file = ["split_file"] if self.split_file else []
        if file and numbers:
            raise ValueError(
                f"task.{numbers[0]} is not for task.split_file, which lists the tasks of each "
                "split; unset one of them"
            )
        if self.split is False and (numbers or file):
            raise ValueError(
                f"task.split = false, but task.{[*numbers, *file][0]} is set; unset one of them"
            )
        if check_splits(self.environments) and (numbers or file or self.split is False):
            key = [*numbers, *file, "split"][0]
            raise ValueError(
                f"task.{key} is not for task.environments whose entries have a split each; unset "
                "one of them"
            )
        finite = self.environments or any(varied.choice for varied in self.vary.values())
        if self.is_split and not finite:
            key = ["split", *numbers, *file][-1]
            raise ValueError(
                f"task.{key} splits a finite set of tasks, and there is none; set "
                "task.environments or task.vary.NAME.choice, or give a range for test tasks: "
                "task.vary.NAME.test"
            )
        return self

    @property
    def is_split(self) -> bool:
        """Whether the finite set of tasks is split."""
        if self.split is not None:
            return self.split
        asked = any(getattr(self, name) is not None for name in (*_BY_NUMBERS, "split_file"))
        return asked or bool(self.environments)

    @property
    def ids(self) -> list[str]:
        """The names of the environments, each once."""
        tables: tuple[Mapping[str, Any], ...] = self.environments or ({},)
        return list(dict.fromkeys(table.get("id") or self.environment or "" for table in tables))

    @property
    def modules(self) -> list[str]:
        """See `Record.modules`; a name without a module is gymnasium's."""
        modules = (name.rpartition(":")[0] for name in self.ids)
        return list(dict.fromkeys(module for module in modules if module))

    @classmethod
    def default_model(cls, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `TaskRecord.default_model`; the kind depends on whether actions are numbers."""
        kind = named("workers.tasks.environments.gym_actions:model_kind_of")(
            json.dumps(task, default=str, sort_keys=True)
        )
        return {"kind": kind, **cls.defaults["model"]}
