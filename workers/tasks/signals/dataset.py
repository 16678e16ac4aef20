"""What both families of signals have of their source: its recordings, and examples of them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from workers.settings.signal_task import SignalTask
from workers.tasks.data_folder import find_file
from workers.tasks.signals.columns import Wanted
from workers.tasks.signals.recordings import Recordings
from workers.tasks.signals.sources import find_source, read_signals
from workers.tasks.signals.windows import Windows

_MOST_SHORT = 3


class SignalData:
    """recordings, windows: see there. ids: of each example, the first one with its content."""

    def __init__(self, settings: SignalTask):
        """Read the source, and cut it.

        Raises:
          DataError: it cannot be read, is not what the settings say, or signals do not fit.
        """
        self.settings = settings
        path = find_source(settings.path)
        self._left_out: list[str] = []
        signals = read_signals(path, Wanted.by(settings), self._left_out)
        self.recordings = Recordings.of(path.name, signals, settings.rate)
        self.windows = Windows.cut(self.recordings, settings)
        self.ids = self.windows.content_ids(self.recordings.values)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Samples and channels of an example."""
        return self.windows.length, self.recordings.channels

    def split_settings(self) -> SignalTask:
        """Return the settings, with a file of splits where it lies."""
        if self.settings.split_file is None:
            return self.settings
        file = str(find_file(self.settings.split_file, "task.split_file"))
        return self.settings.model_copy(update={"split_file": file})

    def digest(self, *more: Any) -> str:
        """sha256 of the samples, of what they are called and belong to, and of `more` in JSON."""
        found, windows = self.recordings, self.windows
        told = [found.names, found.labels, found.recordings, found.rate, windows.length, *more]
        total = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        arrays = [found.values, found.starts, windows.starts, windows.signals, windows.late]
        for array in [*arrays, *([] if found.targets is None else [found.targets])]:
            total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Describe what the source holds."""
        found, lengths = self.recordings, self.recordings.lengths
        table: dict[str, Any] = {
            "source": found.source,
            "signals": len(found),
            "samples_per_signal": [int(lengths.min()), int(lengths.max())],
            "channels": found.channels,
        }
        if found.rate is not None:
            table["sampling_rate_hz"] = found.rate
        if len(set(found.recordings)) < len(found):
            table["recordings"] = len(set(found.recordings))
        return {**table, "samples_per_example": self.windows.length, "examples": len(self.windows)}

    def protocol(self) -> dict[str, Any]:
        """Where the signals are from, and what an example is."""
        settings = self.settings
        length = f"{self.windows.length} samples"
        hop = f", every {settings.hop or settings.window}" if settings.window else ""
        return {
            "tasks_from": Path(settings.path).name,
            "example": f"{'a window of ' if settings.window else ''}{length}{hop}",
            "samples_standardized_by": settings.scaled_by,
        }

    def notes(self) -> list[str]:
        """Files, columns and signals that are left out."""
        if not (short := self.windows.short):
            return self._left_out
        named = ", ".join(map(str, short[:_MOST_SHORT]))
        more = ", ..." if len(short) > _MOST_SHORT else ""
        return [
            *self._left_out,
            f"{len(short)} signal{' is' if len(short) == 1 else 's are'} shorter than a window and "
            f"left out: {named}{more} (task.short_signals)",
        ]

    def told(self, example: int) -> str:
        """Name an example."""
        return told(self.recordings, self.windows, example, self.settings.window is None)


def told(recordings: Recordings, windows: Windows, example: int, whole: bool = False) -> str:
    """Name an example; `whole`: it is a whole signal."""
    signal = int(windows.signals[example])
    name = recordings.names[signal]
    if whole or windows.length == recordings.lengths[signal]:
        return name
    first = int(windows.starts[example] - recordings.starts[signal])
    return f"{name}, samples {first} to {first + windows.length - 1}"
