"""What predictions depend on of a trained run, beside its model."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from workers.wire.protocol import Recipe

if TYPE_CHECKING:
    from orchestrator.calibration.calibration import Calibration
    from workers.settings.user_task_shapes import UserTaskShapes


class Shares(NamedTuple):
    """What is asked of sets and intervals.

    coverage: share of true answers that they hold.
    false_alarms: share of queries of tasks like the validation tasks that are called unknown.
    """

    coverage: float
    false_alarms: float


class RunFacts(Protocol):
    """A trained run: an `Artefact`, or a file for another program that says the same of itself."""

    @property
    def examples(self) -> "UserTaskShapes":
        """What the model must know of a task's examples."""

    @property
    def recipe(self) -> Recipe:
        """The inner rate and steps that validation chose."""

    @property
    def protocol(self) -> Mapping[str, Any]:
        """The protocol of that validation."""

    @property
    def origin(self) -> str:
        """Where it is from, for messages."""

    @property
    def shown_after(self) -> Sequence[int]:
        """Inner steps after which predictions are shown: those that were validated."""

    @property
    def closed_form(self) -> bool:
        """Whether it adapts without inner steps."""

    @property
    def shares(self) -> Shares:
        """What the run asks of sets and intervals."""

    @property
    def calibration(self) -> "Calibration | None":
        """The calibration of its predictions; None if it has none."""

    @property
    def support_losses(self) -> Sequence[Sequence[float]]:
        """Losses of validation tasks, before and after adaptation: [tasks][2]; may be empty."""

    @property
    def changed_statistics(self) -> str:
        """The run's statistics, "batch" or "support", if others were chosen since; else ""."""
