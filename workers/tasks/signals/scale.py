"""How samples are standardized, channel by channel."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.tasks.scaling import Scaling
from workers.tasks.signals.recordings import Recordings
from workers.tasks.signals.windows import Windows, moments_of
from workers.wire.errors import DataError
from workers.wire.protocol import Array, Episode

#: In the preparation of a family, what its samples are standardized by.
SCALED_BY = "scaled_by"


class SignalScale(NamedTuple):
    """by: "example", "training" or "none". fixed: mean and deviation [channels] of training.

    target: mean and deviation [1] of values to predict, over training; None: there are none, or
    they are in the signal's own unit.
    """

    by: str
    fixed: Scaling | None = None
    target: Scaling | None = None

    @classmethod
    def of_training(cls, by: str, recordings: Recordings, signals: Array) -> "SignalScale":
        """Measure it over some of the signals, the training ones.

        Raises:
          DataError: a channel does not vary there.
        """
        if by != "training":
            return cls(by)
        starts = recordings.starts
        own = [recordings.values[starts[i] : starts[i + 1]] for i in np.sort(signals)]
        total = sum(len(each) for each in own)
        mean = sum(each.sum(0, dtype=np.float64) for each in own) / total
        spread = sum(np.square(each.astype(np.float64) - mean).sum(0) for each in own) / total
        deviation = np.sqrt(np.asarray(spread, np.float64))
        low = np.min([each.min(0) for each in own], axis=0)
        high = np.max([each.max(0) for each in own], axis=0)
        if len(same := np.flatnonzero(low == high)):
            channel = int(same[0])
            raise DataError(
                f"{recordings.source}: channel {channel} is {low[channel]:g} in all signals of "
                "training, which cannot be standardized; leave it out, or set task.scaling=none"
            )
        return cls(by, Scaling(np.asarray(mean, np.float64), deviation))

    def apply(self, samples: Array) -> NDArray[np.float32]:
        """Standardize [.., length, channels]."""
        if self.by == "example":
            mean, deviation = moments_of(samples)
            return Scaling(mean[..., None, :], deviation[..., None, :]).apply(samples)
        if self.fixed is not None:
            return self.fixed.apply(samples)
        return np.asarray(samples, np.float32)

    def apply_to_targets(self, targets: Array, channel: int) -> NDArray[np.float32]:
        """Standardize values [.., outputs]; without a scale of their own they are samples."""
        scaling = self.of_targets(channel)
        return np.asarray(targets, np.float32) if scaling is None else scaling.apply(targets)

    def of_targets(self, channel: int) -> Scaling | None:
        """Return the scaling of the targets: [1], or [outputs] alike."""
        if self.target is not None or self.fixed is None:
            return self.target
        one = slice(channel, channel + 1)
        return Scaling(self.fixed.mean[one], self.fixed.deviation[one])

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            SCALED_BY: self.by,
            "samples": _as_lists(self.fixed),
            "target": _as_lists(self.target),
        }

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "SignalScale":
        """Inverse of `as_dict`."""
        return cls(table[SCALED_BY], _as_scaling(table["samples"]), _as_scaling(table["target"]))


def scaling_of_support(inputs: Array) -> Scaling:
    """Mean and deviation of support examples [.., examples, length, channels]: [.., channels]."""
    *outer, examples, length, channels = inputs.shape
    return Scaling(*moments_of(inputs.reshape(*outer, examples * length, channels)))


def scaled_by_support(episode: Episode, channel: int | None, target: Scaling | None) -> Episode:
    """Return the episode in units of its support examples' samples, task by task.

    Args:
      channel: targets are samples of this one; None: they are values with a scaling `target`.
    """
    parts = [_one_scaled(Episode(*each), channel, target) for each in zip(*episode, strict=True)]
    return Episode(*(np.stack(arrays) for arrays in zip(*parts, strict=True)))


def _one_scaled(task: Episode, channel: int | None, target: Scaling | None) -> Episode:
    is_padding = np.isnan(task.support_targets[:, 0])
    support = task.support_inputs[~is_padding] if is_padding.any() else task.support_inputs
    scaling = scaling_of_support(support)
    of_targets = target
    if channel is not None:
        of_targets = Scaling(*(each[channel : channel + 1] for each in scaling))
    assert of_targets is not None
    return Episode(
        scaling.apply(task.support_inputs),
        of_targets.apply(task.support_targets),
        scaling.apply(task.query_inputs),
        of_targets.apply(task.query_targets),
    )


class Standardized:
    """Examples as the model is given them."""

    def __init__(self, values: Array, windows: Windows, scale: SignalScale):
        self._values, self._windows, self._scale = values, windows, scale
        self._moments = windows.moments(values) if scale.by == "example" else None

    def take(self, examples: Array) -> NDArray[np.float32]:
        """Float32 [*examples, length, channels]."""
        found = self._windows.take(self._values, examples)
        if self._moments is None:
            return self._scale.apply(found)
        mean, deviation = (each[examples][..., None, :] for each in self._moments)
        return Scaling(mean, deviation).apply(found)


def _as_lists(scaling: Scaling | None) -> list[list[float]] | None:
    return None if scaling is None else [scaling.mean.tolist(), scaling.deviation.tolist()]


def _as_scaling(lists: list[list[float]] | None) -> Scaling | None:
    return None if lists is None else Scaling(*(np.array(each) for each in lists))
