"""Signals of one source, checked, one behind the other."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from workers.tasks.listing import listed
from workers.wire.errors import DataError
from workers.wire.protocol import Array

# Numbers that fit in float32; of others (float64, whole numbers of 32 bits) no digit is lost.
_LARGEST = 1e37  # float32, which the model computes in, ends at 3e38
_SMALL = (np.float32, np.float16, np.int16, np.uint16, np.int8, np.uint8, np.bool_)


class Signal(NamedTuple):
    """One signal as a source has it.

    name: where it is, for people. values: numbers [length] or [length, channels]. label: the class,
    where there is one. recording: what it is a part of. target: a number, or one for each sample
    [length]. rate: Hz, where the file says it.
    """

    name: str
    values: Array
    label: str | None
    recording: str
    target: Any = None
    rate: int | None = None


@dataclass(frozen=True, slots=True)
class Recordings:
    """All signals of a source.

    source: it, for people. values: float32 or float64 [samples, channels], one signal behind the
    other. starts: int64 [signals + 1], where each begins. names, labels, recordings: of each, see
    `Signal`. targets: float64 [signals], or [samples] if there is one for each; None: there are
    none. rate: of audio files, Hz.
    """

    source: str
    values: Array
    starts: NDArray[np.int64]
    names: list[str]
    labels: list[str] | None
    recordings: list[str]
    targets: NDArray[np.float64] | None
    rate: int | None

    @classmethod
    def of(cls, source: str, signals: Iterable[Signal], rate: int | None = None) -> Self:
        """Check them, and put them together.

        Args:
          rate: that audio files must have, Hz; None: that of the first.
        Raises:
          DataError: there is none, they have other channels or sampling rates, or one is no array
            of finite numbers; names it.
        """
        found = list(signals)
        if not found:
            raise DataError(f"{source} holds no signal")
        values = [_checked(signal) for signal in found]
        _check_alike(found, values, rate)
        dtype = np.float32 if all(v.dtype == np.float32 for v in values) else np.float64
        lengths = [len(each) for each in values]
        labels = [signal.label for signal in found]
        rates = [signal.rate for signal in found if signal.rate is not None]
        return cls(
            source=source,
            values=np.concatenate([v.astype(dtype, copy=False) for v in values]),
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            names=[signal.name for signal in found],
            labels=None if None in labels else [str(label) for label in labels],
            recordings=[signal.recording for signal in found],
            targets=_targets(found, lengths),
            rate=rates[0] if rates else rate,
        )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Samples of each signal: [signals]."""
        return np.diff(self.starts)

    @property
    def channels(self) -> int:
        """Numbers of a sample."""
        return int(self.values.shape[1])

    def whole(self) -> int:
        """Return samples of every signal, where they are as long as each other.

        Raises:
          DataError: they are not; names two.
        """
        lengths = self.lengths
        short, long = int(lengths.argmin()), int(lengths.argmax())
        if lengths[short] != lengths[long]:
            raise DataError(
                f"{self.source}: signals have different lengths, {self.names[short]} "
                f"{lengths[short]} samples and {self.names[long]} {lengths[long]}; set task.window "
                "to cut windows of one length"
            )
        return int(lengths[0])


def _checked(signal: Signal) -> Array:
    """Return the values as float [length, channels]."""
    values = np.asarray(signal.values)
    if values.dtype.kind not in "fiub":
        raise DataError(
            f"{signal.name}: holds {_called(values)}, not numbers; save it as an array of numbers"
        )
    if values.ndim not in (1, 2) or 0 in values.shape:
        raise DataError(
            f"{signal.name}: is an array of shape {list(values.shape)}; a signal is [length] or "
            "[length, channels], of one sample or more"
        )
    values = values[:, None] if values.ndim == 1 else values
    values = values.astype(np.float32 if values.dtype in _SMALL else np.float64, copy=False)
    if len(bad := np.argwhere(~(np.abs(values) < _LARGEST))):
        sample, channel = map(int, bad[0])
        of = f" of channel {channel}" if values.shape[1] > 1 else ""
        more = f" ({len(bad)} such values)" if len(bad) > 1 else ""
        raise DataError(
            f"{signal.name}: sample {sample}{of} is {values[sample, channel]}{more}; finite "
            "numbers are needed: fill the gap, or leave the signal out"
        )
    return values


def _called(values: Array) -> str:
    return "objects" if values.dtype.kind == "O" else f"values of type {values.dtype}"


def _check_alike(signals: list[Signal], values: list[Array], rate: int | None) -> None:
    """Raise DataError if a signal has other channels, or another sampling rate."""
    channels = Counter(v.shape[1] for v in values)
    usual = channels.most_common(1)[0][0]
    for signal, own in zip(signals, values, strict=True):
        if own.shape[1] != usual:
            of_others = next(s.name for s, v in zip(signals, values, strict=True) if v is not own)
            raise DataError(
                f"{signal.name}: has {_counted(own.shape[1], 'channel')}, others have {usual} "
                f"(such as {of_others}); a sample is a row of an array [length, channels]"
            )
    rated = [signal for signal in signals if signal.rate is not None]
    for signal in rated:
        wanted = rate or rated[0].rate
        if signal.rate != wanted:
            whose = "task.rate is" if rate else f"{rated[0].name} has"
            raise DataError(
                f"{signal.name}: has a sampling rate of {signal.rate} Hz, {whose} {wanted} Hz; "
                "resample it, or leave it out"
            )


def _targets(signals: list[Signal], lengths: list[int]) -> NDArray[np.float64] | None:
    """All targets; those of samples where each has one for each sample.

    Raises:
      DataError: one is missing, no number, or not of its signal's length; names the signal.
    """
    if all(signal.target is None for signal in signals):
        return None
    found = []
    for signal, length in zip(signals, lengths, strict=True):
        try:
            own = np.asarray(signal.target, np.float64)
        except (TypeError, ValueError):
            own = np.array(np.nan)
        if not np.isfinite(own).all() or own.shape not in ((), (length,)):
            raise DataError(
                f"{signal.name}: has the target {_short(signal.target)}; a finite number, or one "
                f"for each of its {length} samples, is needed"
            )
        found.append(own)
    if len({own.ndim for own in found}) > 1:
        raise DataError(
            f"{signals[0].name} and others: some have one target, some one for each sample; give "
            "all of one sort"
        )
    return np.concatenate([own.reshape(-1) for own in found])


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def check_classes(recordings: Recordings) -> list[str]:
    """Return the classes, sorted.

    Raises:
      DataError: there is but one.
    """
    assert recordings.labels is not None
    classes = sorted(set(recordings.labels))
    if len(classes) < 2:
        raise DataError(
            f"{recordings.source}: every signal is of the class {listed(classes)}; there is "
            "nothing to tell apart"
        )
    return classes
