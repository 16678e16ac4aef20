"""Examples of recordings: whole signals, or windows, and what tells them apart."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.settings.signal_task import SignalTask
from workers.tasks.copies import Ids
from workers.tasks.signals.recordings import Recordings
from workers.wire.errors import DataError
from workers.wire.protocol import Array

Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Windows:
    """Examples of one length, in the order of the source.

    length: samples of an example. starts: int64 [examples], its first sample in
    `Recordings.values`. signals: int32 [examples], which signal it is of. late: bool [examples],
    whether it is of its recording's later part. short: signals that are shorter, left out.
    """

    length: int
    starts: NDArray[np.int64]
    signals: Rows
    late: NDArray[np.bool_]
    short: list[str]

    @classmethod
    def cut(
        cls,
        recordings: Recordings,
        settings: SignalTask,
        in_two: bool | None = None,
        ahead: bool = True,
    ) -> "Windows":
        """Cut a source's signals as the settings say.

        Args:
          in_two: whether recordings are cut into an earlier and a later part; None: as the settings
            say. ahead: whether the samples to forecast must be there.
        Raises:
          DataError: a signal is shorter than a window and none may be left out, or all are.
        """
        length = recordings.whole() if settings.window is None else settings.window
        extent = length + (settings.horizon if ahead and settings.target == "forecast" else 0)
        hop = settings.hop or length
        short = _short(recordings, settings, extent)
        if in_two is None:
            in_two = settings.target != "class" or settings.apart == "time"
        bounds = _bounds(recordings, settings.early_share) if in_two else None
        starts, signals, late = [], [], []
        for signal, (lo, hi) in enumerate(
            zip(recordings.starts[:-1], recordings.starts[1:], strict=True)
        ):
            # Behind it a later part begins, whose windows start there: no sample is in both.
            middle = int(hi) if bounds is None else int(bounds[signal])
            for is_late, begin, end in ((False, int(lo), middle), (True, middle, int(hi))):
                found = np.arange(begin, end - extent + 1, hop, dtype=np.int64)
                starts.append(found)
                signals.append(np.full(len(found), signal, np.int32))
                late.append(np.full(len(found), is_late))
        return cls(
            length, np.concatenate(starts), np.concatenate(signals), np.concatenate(late), short
        )

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, values: Array, examples: Array) -> Array:
        """Take samples [*examples, length, channels] of `values` [samples, channels]."""
        offsets = np.arange(self.length)
        found: Array = values[self.starts[examples][..., None] + offsets]
        return found

    def following(self, values: Array, examples: Array, number: int) -> Array:
        """Return the `number` samples behind each example: [*examples, number, channels]."""
        offsets = self.length + np.arange(number)
        found: Array = values[self.starts[examples][..., None] + offsets]
        return found

    def content_ids(self, values: Array) -> Ids:
        """Of each example, the first one with the same samples."""
        first: dict[bytes, int] = {}
        ids = np.empty(len(self), np.int64)
        for example, start in enumerate(self.starts):
            samples = np.ascontiguousarray(values[start : start + self.length])
            digest = hashlib.blake2b(samples.data, digest_size=16).digest()
            ids[example] = first.setdefault(digest, example)
        return ids

    def moments(self, values: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of each example: [examples, channels].

        Of equal samples the deviation is 1: they are only shifted. One example at a time, so that
        the last digit does not depend on those beside it.
        """
        mean = np.empty((len(self), values.shape[1]))
        deviation = np.empty_like(mean)
        for example, start in enumerate(self.starts):
            own = values[start : start + self.length].astype(np.float64)
            mean[example], deviation[example] = moments_of(own)
        return mean, deviation


def moments_of(samples: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of [.., length, channels] over samples; that of equal ones is 1.

    Equal samples leave a rounding error, which is no scale.
    """
    given: NDArray[np.float64] = np.asarray(samples, np.float64)
    mean, deviation = given.mean(-2), given.std(-2)
    flat = given.max(-2) == given.min(-2)
    return mean, np.where(flat, 1.0, deviation)


def _short(recordings: Recordings, settings: SignalTask, extent: int) -> list[str]:
    """Name the signals that are too short. Raises DataError if none may be, or all are."""
    lengths = recordings.lengths
    short = np.flatnonzero(lengths < extent)
    window = settings.window or extent
    leaves_out = settings.short_signals == "leave_out"
    if not len(short) or (leaves_out and len(short) < len(lengths)):
        return [recordings.names[i] for i in short]
    shortest = int(lengths.argmin())
    needs = f"task.window = {settings.window}"
    needs += f" and task.horizon = {settings.horizon}" if extent != settings.window else ""
    needs += f" need {extent} samples" if extent != settings.window else ""
    more = f" ({len(short)} of {len(lengths)} are too short)" if len(short) > 1 else ""
    longest = int(lengths.max())
    remedy = f"lower task.window to {max(1, int(lengths[shortest]) - extent + window)}"
    if longest >= extent and not leaves_out:
        remedy += ", or leave such signals out: task.short_signals=leave_out"
    raise DataError(
        f"{needs}, but {recordings.names[shortest]} has {lengths[shortest]} samples{more}; {remedy}"
    )


def _bounds(recordings: Recordings, share: float) -> NDArray[np.int64]:
    """Of each signal, where the later part of its recording begins.

    A recording of one signal is cut between two samples, one of several between two signals.
    """
    places: dict[str, list[int]] = {}
    for signal, name in enumerate(recordings.recordings):
        places.setdefault(name, []).append(signal)
    bounds = np.empty(len(recordings), np.int64)
    for own in places.values():
        if len(own) == 1:
            lo, hi = recordings.starts[own[0] : own[0] + 2]
            bounds[own[0]] = lo + int((hi - lo) * share)
            continue
        early = min(max(1, int(len(own) * share)), len(own) - 1)
        for place, signal in enumerate(own):
            bounds[signal] = recordings.starts[signal + (place < early)]
    return bounds
