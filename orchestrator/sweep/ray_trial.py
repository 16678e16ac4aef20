"""The trainable of Ray Tune: an actor around a trial, in the placement group of its run."""

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
from orchestrator.sweep.process import THIS_PROCESS
from orchestrator.sweep.space import Point, active
from orchestrator.sweep.trial_checkpoint import TrialCheckpoint, beside, read_trial_checkpoint
from orchestrator.text.redact import redact
from workers.execution import runtime
from workers.wire.errors import MetatrainError

if TYPE_CHECKING:  # imports TensorFlow, which the driver of a sweep does not need as it runs
    from orchestrator.sweep.finished_trial import FinishedTrial
    from orchestrator.sweep.trial import Trial

#: The key, in Tune's configuration of a trial, of a point that was drawn before.
POINT = "point"
#: The key, in a result, that says that the process should serve no other trial.
WORN = "worn_process"


@dataclass(frozen=True, repr=False)
class Shared:
    """The settings that all trials of a sweep share; they are in the object store once.

    table: the table of the base with its overrides.
    space: the search space.
    sweep: the sweep's folder, with the secrets in its URI, which loggers must not see.
    metric: the metric that decides.
    """

    table: Table
    space: Mapping[str, Dimension]
    sweep: str
    metric: str

    def __repr__(self) -> str:
        return redact(self.sweep)


class RayTrial(tune.Trainable):
    """A trainable that trains up to the next validation at each of Tune's steps.

    An error that ends a run (weights that are not finite, a model that raises) becomes a result
    with `failed`, and ends only this trial. If the process dies Tune starts another, which
    continues from the folder.
    """

    def setup(self, config: dict[str, Any], shared: Shared) -> None:
        """Remember what to open; nothing is opened before the first step."""
        runtime.own_process()
        self._config, self._shared = config, shared
        self._step = 0
        self._checkpoint: TrialCheckpoint | None = None
        self._trial: Trial | FinishedTrial | None = None

    def step(self) -> dict[str, Any]:
        """Train up to the next validation, and report it."""
        metric = self._shared.metric
        try:
            if self._trial is None:
                self._trial = self._open()
            report = self._trial.advance()
        except (MetatrainError, ValueError) as error:
            return {"failed": str(error), metric: float("nan"), "step": self._step, "done": True}
        self._step = int(report["step"])
        if math.isnan(report[metric]):  # a scheduler of Tune's would never stop it
            why = f"the validation's {metric} is not a number at step {self._step}"
            return {"failed": why, **report, "done": True}
        return {"failed": "", **report}

    def train(self) -> dict[str, Any]:
        """Run a step; drop the configuration from its result, because Tune keeps every copy."""
        result = super().train()
        result.pop("config", None)
        return {**result, WORN: THIS_PROCESS.is_worn}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save the step from which another trial may continue in population-based training."""
        if self._trial is not None:
            self._trial.save(checkpoint_dir)

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Continue from what this or another trial has saved."""
        self._close()
        self._checkpoint = read_trial_checkpoint(Storage(checkpoint))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Serve another trial in this process, where TensorFlow is loaded already."""
        self._close()
        self._config, self._checkpoint, self._step = new_config, None, 0
        return True

    def cleanup(self) -> None:
        """Close the trial, which is over or was stopped."""
        self._close()

    def _open(self) -> "Trial | FinishedTrial":
        from orchestrator.sweep.finished_trial import TRIALS_FOLDER
        from orchestrator.sweep.trial import open_trial

        shared = self._shared
        if not Storage(shared.sweep).exists(record.SWEEP_FILE):
            raise ValueError(
                f"{Storage(shared.sweep).location} is not the sweep's folder on "
                f"{platform.node()}: give an --out that every machine of the cluster sees, such as "
                "s3://bucket/sweeps/a"
            )
        location = beside(shared.sweep, f"/{TRIALS_FOLDER}/{self.trial_id}")
        point = point_of(self._config, shared.space)
        return open_trial(shared.table, point, location, self._checkpoint)

    def _close(self) -> None:
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.close()
            THIS_PROCESS.end_trial()


def point_of(config: dict[str, Any], space: Mapping[str, Dimension]) -> Point:
    """Return the values of a trial by dotted name, without those whose conditions do not hold."""
    values = config.get(POINT, config)
    return active(space, {key: d.typed(values[key]) for key, d in space.items() if key in values})
