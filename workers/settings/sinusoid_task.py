"""The settings of the task family of sinusoids."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import field_validator

from workers.settings.losses.loss_task import LossTask
from workers.settings.section import Size, setting
from workers.settings.task import Tables


class SinusoidTask(LossTask):
    """Regression of sinusoids (Finn et al. 2017, arXiv:1703.03400, section 5.1)."""

    gives = frozenset({"numbers"})
    family = "workers.tasks.sinusoid:SinusoidFamily"
    losses = ("mse",)
    scored = frozenset({"numbers"})
    pictures = ("curves",)
    takes_ranges = True
    defaults: ClassVar[Tables] = {
        "model": {"kind": "mlp", "hidden": [40, 40]},
        "algorithm": {"kind": "maml", "inner_lr": 0.01, "inner_steps": 1},
        "outer": {"optimizer": "adam", "lr": 1e-3, "meta_batch_size": 25, "steps": 15_000},
        "evaluation": {"inner_steps": [1, 5, 10], "inner_lr": [0.005, 0.01, 0.02, 0.05]},
    }

    kind: Literal["sinusoid"] = "sinusoid"
    shots: Size = setting(
        10, "support points per task, 1 to 10^5, or a range such as [1, 10], of which each draws"
    )
    queries: Size = setting(10, "query points per task, 1 to 10^5, or a range likewise")
    amplitude: tuple[float, float] = setting((0.1, 5.0), "range of the amplitude, low < high")
    phase: tuple[float, float] = setting((0.0, float(np.pi)), "range of the phase, radians")
    inputs: tuple[float, float] = setting((-5.0, 5.0), "range of the inputs, low < high")

    @field_validator("amplitude", "phase", "inputs")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError("low must be below high")
        return value
