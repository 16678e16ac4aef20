"""A run as a LiteRT file, opened and verified."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from orchestrator.adaptation.litert.file_description import (
    EXPORT_AGAIN,
    ForAdapt,
    checked_description,
)
from orchestrator.adaptation.readers.reader import Reader
from orchestrator.adaptation.readers.registry import make_reader
from orchestrator.adaptation.run_facts import Shares
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.calibration.calibration import Calibration
from workers.settings.user_task_shapes import UserTaskShapes
from workers.wire.errors import DataError
from workers.wire.protocol import Recipe


@dataclass(frozen=True, slots=True)
class LiteRTRun:
    """What a LiteRT file says of the run that it is from; see `RunFacts`.

    model: the LiteRT model, without what is behind it.
    """

    path: Path
    model: bytes
    origin: str
    recipe: Recipe
    protocol: dict[str, Any]
    about: ForAdapt

    @property
    def examples(self) -> UserTaskShapes:
        """See `RunFacts`."""
        return self.about.examples.model_copy(update={"any_ways": self.about.computes_head})

    @property
    def shown_after(self) -> Sequence[int]:
        """See `RunFacts`."""
        return self.about.shown_after

    @property
    def closed_form(self) -> bool:
        """See `RunFacts`."""
        return self.about.closed_form

    @property
    def shares(self) -> Shares:
        """See `RunFacts`."""
        return Shares(self.about.coverage, self.about.false_alarms)

    @property
    def calibration(self) -> Calibration | None:
        """See `RunFacts`."""
        return self.about.calibration

    @property
    def support_losses(self) -> Sequence[Sequence[float]]:
        """See `RunFacts`."""
        return self.about.support_losses

    @property
    def changed_statistics(self) -> str:
        """See `RunFacts`."""
        return self.about.changed_statistics

    def reader(self) -> Reader:
        """Make the reader of examples that are prepared as the run's own."""
        task = SimpleNamespace(
            kind=self.about.kind, reader=self.about.reader, **self.about.reader_settings
        )
        return make_reader(task, self.examples)

    def check_task(self, task: UserTask) -> None:
        """Check that the file adapts to support sets of this size.

        Raises:
          ValueError: it adapts to others.
        """
        about, number = self.about, len(task.support_inputs)
        of = f"the task {task.name!r}" if task.name else "the support set"
        each = f"{about.examples_of_each} example{'s' if about.examples_of_each > 1 else ''}"
        sizes = f"{about.classes} classes of {each}" if about.classes else each
        if number != about.number:
            fits = about.classes and not number % about.classes
            wanted = number // max(about.classes, 1) if fits or not about.classes else "N"
            raise ValueError(
                f"{of} has {number} examples, {self.path} adapts to {about.number} ({sizes}); give "
                f"as many, or export it for others: {EXPORT_AGAIN} --examples {wanted}"
            )
        classes = len(task.classes or ())
        if about.computes_head and classes != about.classes and about.classes:
            raise ValueError(
                f"{of} has {classes} classes, {self.path} adapts to {about.classes}; give as many, "
                f"or export it for others: {EXPORT_AGAIN} --classes {classes}"
            )


def open_litert(source: str) -> LiteRTRun:
    """Read a LiteRT file, and verify that it is as it was exported.

    Raises:
      DataError: `metatrain export` did not write it, another version did, or it is damaged.
    """
    path = Path(source).expanduser()
    about = checked_description(path)
    own = about.for_adapt
    content = path.read_bytes()[: own.model_bytes]
    if hashlib.sha256(content).hexdigest() != own.model_sha256:
        raise DataError(
            f"{path} is damaged (its model's sha256 differs); copy or export it again: "
            f"{EXPORT_AGAIN}"
        )
    return LiteRTRun(
        path=path,
        model=content,
        origin=f"{path} ({about.origin})",
        recipe=Recipe(about.inner_lr, about.inner_steps),
        protocol=about.protocol,
        about=own,
    )
