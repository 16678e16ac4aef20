"""The settings of task families of environments that a policy acts in."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from workers.settings.inputs import OBSERVATIONS
from workers.settings.registry import named
from workers.settings.section import Section, setting
from workers.settings.task import Tables, TaskRecord


class EnvironmentTask(TaskRecord):
    """The settings of every family of environments: numbers of episodes, and advantages."""

    gives = OBSERVATIONS
    refusal = (
        "model.kind = {model!r} cannot be a policy; for task.kind = {task!r} use 'gaussian_mlp', "
        "'mlp', 'linear', or 'keras' with your own model"
    )

    shots: int = setting(20, "episodes that each inner step learns from, 1 to 10^5", ge=1, le=10**5)
    queries: int = setting(20, "episodes after adaptation, 1 to 10^5", ge=1, le=10**5)
    horizon: int = setting(100, "steps after which an episode ends, 1 to 5000", ge=1, le=5000)
    discount: float = setting(0.99, "discount of rewards per step, 0 to 1", ge=0, le=1)
    gae_lambda: float = setting(
        1.0,
        "lambda of generalized advantage estimation, 0 to 1: 1, the actual rewards; 0, the "
        "baseline's forecast after one step",
        ge=0,
        le=1,
    )
    baseline: Literal["linear", "none"] = setting(
        "linear",
        "baseline of the rewards: a fit to the episodes themselves (observations of at most 1000 "
        "numbers), or none",
    )
    normalize: int = setting(
        0,
        "episodes of random actions in each task that normalize its observations, to 10^6; 0: "
        "observations stay as they are",
        ge=0,
        le=10**6,
    )
    curvature: Literal["dice", "per_step"] = setting(
        "dice",
        "second derivative of the inner loop: dice, unbiased for given advantages; per_step, "
        "without the influence of earlier steps, which has less variance",
    )


class NavigationTask(EnvironmentTask):
    """Navigation of a point in the plane to a goal (Finn et al. 2017, arXiv:1703.03400, 5.3)."""

    family = "workers.tasks.environments.navigation:NavigationFamily"
    losses = ("gaussian_policy",)
    pictures = ("paths",)
    reader = "navigation"
    defaults: ClassVar[Tables] = {
        "task": {"curvature": "per_step"},
        "model": {"kind": "gaussian_mlp", "hidden": [100, 100], "initial_std": 0.03},
        "algorithm": {
            "kind": "maml",
            "inner_lr": 0.015,
            "later_lr": 0.25,
            "inner_steps": 3,
            "multi_step": True,
        },
        "outer": {
            "optimizer": "adam",
            "lr": 2e-3,
            "schedule": "cosine",
            "epochs": 2,
            "meta_batch_size": 20,
            "steps": 200,
        },
        "evaluation": {
            "tasks": 40,
            "validation_tasks": 40,
            "inner_steps": [1, 2, 3],
            "inner_lr": [0.005, 0.01, 0.015, 0.03],
        },
    }

    kind: Literal["navigation"] = "navigation"
    goals: tuple[float, float] = setting((-0.5, 0.5), "range of a goal's coordinates, low < high")
    max_step: float = setting(0.1, "largest step along each axis, > 0", gt=0)
    reached: float = setting(0.01, "distance to the goal that ends an episode, >= 0", ge=0)

    @field_validator("goals")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError("low must be below high")
        return value


class Varied(Section):
    """The distribution of a number over tasks: exactly one of these."""

    uniform: tuple[float, float] | None = setting(None, "uniform in [low, high), low < high")
    loguniform: tuple[float, float] | None = setting(
        None, "log-uniform in [low, high), 0 < low < high"
    )
    choice: (
        Annotated[
            tuple[Annotated[int, Field(ge=-(2**53), le=2**53)] | float, ...], Field(min_length=2)
        ]
        | None
    ) = setting(None, "one of these with equal probability, >= 2")

    @model_validator(mode="after")
    def _one(self) -> Self:
        names = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(names) != 1:
            raise ValueError(f"give one of uniform, loguniform, choice, not {names or 'none'}")
        name, bounds = names[0], self.uniform or self.loguniform
        if bounds and not bounds[0] < bounds[1]:
            raise ValueError(f"{name} = {list(bounds)}; low must be below high")
        if self.loguniform and not self.loguniform[0] > 0:
            raise ValueError(f"{name} = {list(self.loguniform)}; low must be above 0")
        return self


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
