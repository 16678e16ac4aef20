"""Batch normalization for each inner step (BNRS and BNWB, Antoniou et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workers.algorithms.annealed import Annealed
from workers.settings.section import setting

if TYPE_CHECKING:
    from workers.models.functional import FunctionalModel
    from workers.models.model import Model
    from workers.settings.task import AnyTask


class WithStepNormalization(Annealed):
    """Settings of an algorithm whose model may normalize each inner step in its own way.

    Not for algorithms that compute the features of a task once for all inner steps.

    Source: see `workers.models.learned.per_step`.
    """

    step_statistics: bool = setting(
        False,
        "keep running statistics of batch normalization for each inner step, with "
        "model.statistics = 'running'",
        later=True,
    )
    step_affine: bool = setting(
        False,
        "learn scale and offset of batch normalization for each inner step, which the inner loop "
        "then leaves as they are",
        later=True,
    )

    def learned(self, model: FunctionalModel) -> FunctionalModel:
        """See `Algorithm.learned`."""
        if not (self.step_statistics or self.step_affine):
            return super().learned(model)
        from workers.models.learned.per_step import PerStepModel

        return PerStepModel(model, self.inner_steps, self.step_affine, self.step_statistics)

    def check_model(self, model: Model) -> None:
        """See `Algorithm.check_model`."""
        super().check_model(model)
        kinds = model.normalizations
        for name in self._steps_of():
            if kinds is not None and "batch" not in kinds:
                raise ValueError(
                    f"algorithm.{name} = true is for models with batch normalization, but "
                    f"model.kind = {model.kind!r} has none here; set model.normalization = 'batch' "
                    "if it takes that, or unset it"
                )
        if self.step_statistics and model.statistics != "running":
            raise ValueError(
                "algorithm.step_statistics = true keeps running statistics, but model.statistics = "
                f"{model.statistics!r} has none; set model.statistics = 'running', or unset it"
            )

    def check_task(self, task: AnyTask) -> None:
        """See `Algorithm.check_task`."""
        super().check_task(task)
        for name in self._steps_of():
            if task.acts:
                raise ValueError(
                    f"algorithm.{name} = true is for tasks with examples, not for task.kind = "
                    f"{task.kind!r}; unset it"
                )

    def _steps_of(self) -> Sequence[str]:
        return [name for name in ("step_statistics", "step_affine") if getattr(self, name)]

    @property
    def details(self) -> list[str]:
        """See `Annealed.details`."""
        names = {"step_statistics": "statistics", "step_affine": "scale and offset"}
        parts = [names[name] for name in self._steps_of()]
        if not parts:
            return super().details
        return [*super().details, f"batch normalization's {', '.join(parts)} for each inner step"]
