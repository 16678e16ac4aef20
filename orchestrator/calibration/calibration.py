"""A calibration: what validation tasks say of how far true answers are from predictions."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from orchestrator.calibration.nonconformity import Nonconformity, is_real, nonconformity_of
from orchestrator.calibration.quantiles import Numbers, conformal_quantiles
from workers.losses.loss import Loss
from workers.wire.protocol import Recipe


class QueryOutputs(NamedTuple):
    """The outputs for the queries of held-out tasks, and the true answers.

    inner_steps: after which there are outputs, ascending.
    outputs: as the loss takes them, [tasks, inner steps, queries, ..].
    targets: [tasks, queries] or [tasks, queries, numbers]; a class below 0 or NaN is padding.
    """

    inner_steps: Sequence[int]
    outputs: Numbers
    targets: Numbers

    def after(self, inner_steps: int) -> Numbers:
        """Return the outputs after so many inner steps, [tasks, queries, ..]."""
        return self.outputs[:, list(self.inner_steps).index(inner_steps)]


class StepCalibration(BaseModel):
    """The calibration of predictions after a number of inner steps.

    temperature: of classes' logits; None for numbers.
    thresholds: of the scores, a table by `LEVELS` for each number of a target, one for classes; it
      ends where too few validation tasks give a threshold.
    doubts: the same of how unsure predictions are; empty if the loss does not say.
    """

    model_config = ConfigDict(frozen=True)

    temperature: float | None
    thresholds: list[list[float]]
    doubts: list[float]


class Calibration(BaseModel):
    """The calibration of a run's predictions at the inner rate that validation chose.

    gives: sets of classes, or intervals of numbers.
    inner_lr: that rate.
    tasks: validation tasks that it is from.
    by_inner_steps: for each number of inner steps in evaluation.inner_steps, as text.
    """

    model_config = ConfigDict(frozen=True)

    gives: Literal["sets", "intervals"]
    inner_lr: float
    tasks: int
    by_inner_steps: dict[str, StepCalibration]

    def at(self, recipe: Recipe) -> StepCalibration:
        """Return the calibration of a recipe.

        Raises:
          ValueError: there is none.
        """
        own = self.by_inner_steps.get(str(recipe.inner_steps))
        if own is None or recipe.inner_lr != self.inner_lr:
            raise ValueError(
                f"predictions after {recipe.inner_steps} inner steps at the rate "
                f"{recipe.inner_lr:g} are not calibrated: the run was after "
                f"{', '.join(self.by_inner_steps) or 'none'} at the rate {self.inner_lr:g}; use "
                "these, or train with the others in evaluation.inner_steps"
            )
        return own


def calibrate(loss: Loss, inner_lr: float, queries: QueryOutputs) -> Calibration | None:
    """Calibrate predictions by the outputs of validation tasks.

    Returns:
      None for a loss that has neither sets nor intervals. Inner steps whose outputs are not finite
      are left out.
    """
    measured = nonconformity_of(loss)
    if measured is None:
        return None
    of_steps = {str(steps): queries.after(steps) for steps in queries.inner_steps}
    return Calibration(
        gives=measured.gives,
        inner_lr=inner_lr,
        tasks=len(queries.targets),
        by_inner_steps={
            steps: _of_step(measured, outputs, queries.targets)
            for steps, outputs in of_steps.items()
            if _is_usable(outputs, queries.targets)
        },
    )


def read_calibration(table: Any) -> Calibration | None:
    """Read a calibration that a file holds; None if it holds none, or one of another version."""
    if not table:
        return None
    try:
        return Calibration.model_validate(table)
    except ValueError:
        return None


def _of_step(measured: Nonconformity, outputs: Numbers, targets: Numbers) -> StepCalibration:
    temperature = measured.temperature(outputs, targets)
    scores = measured.scores(outputs, targets, temperature)
    doubts = measured.doubts(outputs, temperature)
    if doubts is not None:
        doubts = np.where(np.isnan(scores[..., 0]), np.nan, doubts)
    return StepCalibration(
        temperature=temperature,
        thresholds=[_table(scores[..., number]) for number in range(scores.shape[-1])],
        doubts=[] if doubts is None else _table(doubts),
    )


def _table(scores: Numbers) -> list[float]:
    thresholds = conformal_quantiles(scores)
    return [float(value) for value in thresholds[np.isfinite(thresholds)]]


def _is_usable(outputs: Numbers, targets: Numbers) -> bool:
    """Tell whether no query that is none of padding has an output that is NaN or infinite.

    A logit of -inf is usable: a probability of 0. Computed heads give a class without an example
    a finite one, `workers.heads.linear_head.ABSENT`.
    """
    own = is_real(targets)
    values = outputs[own]
    return bool(own.any() and (np.isfinite(values) | np.isneginf(values)).all())
