"""What is looked for in a source of signals."""

from dataclasses import dataclass
from typing import Literal, Self

from workers.settings.signal_task import SignalTask
from workers.tasks.data_folder import find_file


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which columns, or arrays, hold what.

    signals: None: the usual ones. labels: likewise; joined by "/". recording: what tells recordings
    apart. label_file: of a .npy file. labelled: a source without labels is refused, or may lack
    them, or those that it has are not looked at. measures: whether they are numbers to predict, or
    else classes. options: what a column is named by, where it is not the setting.
    """

    signals: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    recording: str | None = None
    label_file: str | None = None
    labelled: Literal["needed", "maybe", "unused"] = "needed"
    measures: bool = False
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def by(cls, settings: SignalTask) -> Self:
        """As the settings of a run say."""
        label_file = settings.label_file
        return cls(
            signals=as_names(settings.signal_column),
            labels=as_names(settings.label_column),
            recording=settings.recording_column,
            label_file=None
            if label_file is None
            else str(find_file(label_file, "task.label_file")),
            labelled="unused" if settings.target == "forecast" else "needed",
            measures=settings.target == "value",
        )

    def option(self, column: str) -> str:
        """What names a column, for errors."""
        return dict(self.options).get(column, f"task.{column}")


def as_names(given: str | tuple[str, ...] | None) -> tuple[str, ...] | None:
    """One name or several as several."""
    return (given,) if isinstance(given, str) else given
