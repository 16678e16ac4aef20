"""The shell that makes a trial Ray Tune's: an actor, whose placement group holds the run's own."""

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray import tune

from orchestrator.config.schema import Table
from orchestrator.storage.storage import Storage
from orchestrator.sweep import record
from orchestrator.sweep.dimension import Dimension
from orchestrator.sweep.process import HERE
from orchestrator.sweep.space import Point, active
from orchestrator.sweep.trial_checkpoint import Handed, beside, take_over
from orchestrator.text.redact import redact
from workers.execution import runtime
from workers.wire.errors import MetatrainError

if TYPE_CHECKING:  # imports TensorFlow, which the driver of a sweep does not need as it runs
    from orchestrator.sweep.trial import Trial

#: The key of a point drawn before, in Tune's own configuration of a trial.
POINT = "point"
#: Of a result: the process should serve no other trial.
WORN = "worn_process"


@dataclass(frozen=True, repr=False)
class Shared:
    """What all trials of a sweep have in common. It is in the object store, once.

    table: the base, with its overrides. sweep: the folder, with the secrets in its URI, which
    loggers must not see. metric: what decides.
    """

    table: Table
    space: Mapping[str, Dimension]
    sweep: str
    metric: str

    def __repr__(self) -> str:
        return redact(self.sweep)


class RayTrial(tune.Trainable):
    """Trains up to the next validation at each of Tune's steps.

    What a run meets and cannot go on with (weights that are not finite, a model that raises) is a
    result, `failed`, and ends the trial alone. When the process dies Tune starts another, which
    goes on from the folder.
    """

    def setup(self, config: dict[str, Any], shared: Shared) -> None:
        """Remember what to open; nothing is opened before the first step."""
        runtime.own_process()
        self._given, self._shared = config, shared
        self._step = 0
        self._handed: Handed | None = None
        self._trial: Trial | None = None

    def step(self) -> dict[str, Any]:
        """Train up to the next validation."""
        metric = self._shared.metric
        try:
            if self._trial is None:
                self._trial = self._open()
            report = self._trial.advance()
        except (MetatrainError, ValueError) as error:
            return {"failed": str(error), metric: float("nan"), "step": self._step, "done": True}
        self._step = int(report["step"])
        if math.isnan(report[metric]):  # which a scheduler of Tune's would never stop
            why = f"the validation's {metric} is not a number at step {self._step}"
            return {"failed": why, **report, "done": True}
        return {"failed": "", **report}

    def train(self) -> dict[str, Any]:
        """As Tune asks for a step; without the configuration, of which it keeps each copy."""
        result = super().train()
        result.pop("config", None)
        return {**result, WORN: HERE.is_worn}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """For population-based training: what another trial may go on from."""
        if self._trial is not None:
            self._trial.hand_over(checkpoint_dir)

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Go on from what this or another trial has handed over."""
        self._close()
        self._handed = take_over(Storage(checkpoint))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """The process serves another trial: TensorFlow is there already."""
        self._close()
        self._given, self._handed, self._step = new_config, None, 0
        return True

    def cleanup(self) -> None:
        """The trial is over, or was stopped."""
        self._close()

    def _open(self) -> "Trial":
        from orchestrator.sweep.trial import FOLDER, Trial

        shared = self._shared
        if not Storage(shared.sweep).exists(record.NAME):
            raise ValueError(
                f"{Storage(shared.sweep).location} is not the sweep's folder on "
                f"{platform.node()}: give an --out that every machine of the cluster sees, such as "
                "s3://bucket/sweeps/a"
            )
        location = beside(shared.sweep, f"/{FOLDER}/{self.trial_id}")
        point = point_of(self._given, shared.space)
        return Trial(shared.table, point, location, self._handed)

    def _close(self) -> None:
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.close()
            HERE.rest()


def point_of(config: dict[str, Any], space: Mapping[str, Dimension]) -> Point:
    """The values of a trial's own, by dotted name: those whose conditions hold."""
    values = config.get(POINT, config)
    return active(space, {key: d.typed(values[key]) for key, d in space.items() if key in values})
