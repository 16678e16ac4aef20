"""The settings of the task family of points in the plane."""

from typing import ClassVar, Literal

from pydantic import field_validator

from workers.settings.environments.environment_task import EnvironmentTask
from workers.settings.section import setting
from workers.settings.task import Tables


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
