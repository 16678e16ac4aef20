"""What is looked for in a source of signals."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from workers.settings.signal_task import SignalTask
from workers.tasks.data_folder import find_file
from workers.tasks.table.table_files import SUFFIXES as TABLES
from workers.wire.errors import SourceError

_COLUMNS = ("signal_column", "label_column", "recording_column")
_LABEL_FILE = ("label_file",)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which columns, or arrays, hold what.

    signals: None: the usual ones. labels: likewise; joined by "/". recording: what tells recordings
    apart. label_file: of a .npy file. asked: fields of [task] that name what this very source has,
    with their values: none of them may mean nothing there. labelled: a source without labels is
    refused, or may lack them, or those that it has are not looked at. measures: whether they are
    numbers to predict, or else classes. options: what a column is named by, where it is not the
    setting.
    tells_recordings: whether a source without the column `recording` is refused.
    """

    signals: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    recording: str | None = None
    label_file: str | None = None
    asked: tuple[tuple[str, Any], ...] = ()
    labelled: Literal["needed", "maybe", "unused"] = "needed"
    measures: bool = False
    options: tuple[tuple[str, str], ...] = ()
    tells_recordings: bool = True

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
            asked=tuple(
                (name, value)
                for name in (*_COLUMNS, *_LABEL_FILE)
                if (value := getattr(settings, name)) is not None
            ),
            labelled="unused" if settings.target == "forecast" else "needed",
            measures=settings.target == "value",
        )

    def within(self, names: Iterable[str]) -> Self:
        """Return the same of a source with these columns: what it may lack is not looked for."""
        lacks = self.recording is not None and self.recording not in set(names)
        return replace(self, recording=None) if lacks and not self.tells_recordings else self

    def refuse_unread(self, path: Path) -> None:
        """Raise SourceError if one of `asked` means nothing for a source of this form."""
        suffix = "" if path.is_dir() else path.suffix.lower()
        read = _COLUMNS if suffix in (".npz", *TABLES) else _LABEL_FILE if suffix == ".npy" else ()
        for name, value in self.asked:
            if name not in read:
                needed = "a .npy file" if name in _LABEL_FILE else "a table, or an .npz"
                form = f"a {suffix} file" if suffix else "a folder"
                raise SourceError(
                    f"{self.option(name)} = {value!r} is for {needed}, but {path} is {form}, where "
                    "it means nothing; unset it, or give another source"
                )

    def option(self, column: str) -> str:
        """Return what names a column, for errors."""
        return dict(self.options).get(column, f"task.{column}")


def as_names(given: str | tuple[str, ...] | None) -> tuple[str, ...] | None:
    """One name or several as several."""
    return (given,) if isinstance(given, str) else given
