"""What a task family provides."""

from collections.abc import Sequence
from typing import Any, Protocol

from workers.metrics import CLASSIFYING, LossName
from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Draw, Episode, Specs, Split


def ways_of(family: "TaskFamily") -> int:
    """Classes of a task; 1 where tasks have none."""
    return family.num_outputs if family.loss in CLASSIFYING else 1


def notes_of(family: "TaskFamily") -> list[str]:
    """What people should know of its data before they train on them; families may have `notes`."""
    notes = getattr(family, "notes", None)
    return [] if notes is None else list(notes())


class TaskFamily(Protocol):
    """A distribution over learning tasks, in two halves: small specs, then arrays.

    A new one extends it, and gives loss, picture, input_shape, num_outputs, `sample` and `build`.

    loss: the name of the loss in `inner/losses.py`. picture: the name of a picture in
    `orchestrator/reporting/pictures`. digest: sha256 of the data and its split, "" where it is
    generated. num_train_classes: the outputs of `joint`'s head; None for regression.
    num_tokens: inputs are ids from 0 to num_tokens - 1; None: they are numbers.
    """

    loss: LossName
    picture: str
    digest: str = ""
    input_shape: tuple[int, ...]
    num_outputs: int
    num_train_classes: int | None = None
    num_tokens: int | None = None

    @property
    def preparation(self) -> dict[str, Any]:
        """What a user's own examples are made into inputs with: JSON, for the checkpoint."""
        return {}

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """Draw tasks [lo, hi): the same whatever lo and hi are, and on whatever machine."""
        ...

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Make the arrays, [tasks, ...].

        global_labels: targets are indices of training classes instead of 0 .. ways - 1.
        """
        ...

    def showcase(self, specs: Specs) -> Specs:
        """Give the same tasks the queries that the family's picture wants."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """Name each task where its score is shown; [""] * tasks where nobody knows."""
        return [""] * len(next(iter(specs.values())))

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Give what the tasks say, where they are of texts; else nothing."""
        return ()

    def describe(self) -> dict[str, Any]:
        """Describe what the family draws from, for `metatrain data`."""
        return {"source": "generated", **self.protocol("train")}

    def protocol(self, split: Split) -> dict[str, Any]:
        """Say what must stand beside a number measured on these tasks."""
        return {"tasks_from": type(self).__name__}
