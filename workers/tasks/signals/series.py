"""Series to forecast, or to measure: a task is a series, support its beginning, queries later."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.losses.choice import choose_loss
from workers.losses.registry import loss_of
from workers.settings.section import Size
from workers.settings.signal_task import SignalTask
from workers.tasks.copies import once_each
from workers.tasks.display_text import DisplayText
from workers.tasks.leaving_out import left_out_notes, or_left_out
from workers.tasks.listing import others
from workers.tasks.scaling import Scaling
from workers.tasks.signals.dataset import SignalData
from workers.tasks.signals.recordings import Recordings
from workers.tasks.signals.scale import SignalScale, scaled_by_support
from workers.tasks.signals.windows import Windows
from workers.tasks.sizes import (
    draw_sizes,
    filled,
    holds_both,
    least,
    marked,
    most,
    needs,
    padded,
)
from workers.tasks.splits import SPLITS, Splits, split_hash, split_names
from workers.wire.errors import DataError
from workers.wire.protocol import Draw, Episode, Specs, Split

Rows = NDArray[np.int32]


class SeriesFamily:
    """A task is a series of one split; no sample of its support windows is in a query.

    The last window of the earlier part and the first of the later part may touch, not overlap; what
    a support window is to forecast is of the earlier part too.
    """

    num_tokens: int | None = None
    num_train_classes: int | None = None

    def __init__(self, settings: SignalTask):
        """Read the series, and split them.

        Raises:
          DataError: see `SignalData`; or there is no value to predict, or a series or a split is
            too small.
        """
        self._settings = settings
        self._data = SignalData(settings)
        recordings, windows = self._data.recordings, self._data.windows
        self._names = sorted(set(recordings.recordings))
        self._early, self._late = self._parts()
        pairs = zip(self._early, self._late, strict=True)
        self._sizes = np.array([[len(early), len(late)] for early, late in pairs])
        self._splits = self._split()
        for split in SPLITS:
            self._check_sizes(split, settings.shots, settings.queries)
        train = [self._names[i] for i in self._splits["train"]]
        trained = np.flatnonzero(np.isin(np.array(recordings.recordings), train))
        scale = SignalScale.of_training(settings.scaled_by, recordings, trained)
        self._targets = self._raw_targets()
        if settings.target == "value" and settings.scaled_by != "none":
            of_training = np.isin(windows.signals, trained)
            scale = scale._replace(target=self._scale_of_targets(of_training))
        self._scale = scale
        self.picture = "forecast" if settings.target == "forecast" else "predicted"
        self.input_shape: tuple[int, ...] = self._data.input_shape
        horizon = settings.horizon if settings.target == "forecast" else 1
        self.loss, self.loss_settings, self.num_outputs = choose_loss(settings, "numbers", horizon)
        self._split_hash = split_hash(self._names, self._splits)
        target = [settings.target, settings.horizon, settings.target_channel]
        self.digest = self._data.digest(self._split_hash, self._scale.as_dict(), target)

    @property
    def preparation(self) -> dict[str, Any]:
        """How samples and values are standardized, and the sampling rate."""
        return {"signals": {**self._scale.as_dict(), "rate": self._data.recordings.rate}}

    def sample(self, draw: Draw, lo: int, hi: int, shots: Size, queries: Size) -> Specs:
        """Series and examples by index, in the order of time.

        Returns:
          series: int32 [tasks]. support_examples, query_examples: int32 [tasks, shots] and
          [tasks, queries]; see `workers.tasks.sizes`.
        Raises:
          DataError: a series of the split has too few windows.
        """
        self._check_sizes(draw.split, shots, queries)
        pool = self._splits[draw.split]
        series = np.empty(hi - lo, np.int32)
        support = np.empty((hi - lo, most(shots)), np.int32)
        query = np.empty((hi - lo, most(queries)), np.int32)
        for task in range(hi - lo):
            rng = draw.generator(lo + task)
            series[task] = own = pool[rng.integers(len(pool))]
            early, late = self._early[own], self._late[own]
            sizes = draw_sizes(rng, shots, queries, holds_both(len(early), len(late)))
            support[task] = padded(np.sort(rng.choice(early, sizes[0], replace=False)), shots)
            query[task] = padded(np.sort(rng.choice(late, sizes[1], replace=False)), queries)
        return {"series": series, "support_examples": support, "query_examples": query}

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Build inputs float32 [tasks, examples, length, channels], targets [.., outputs]."""
        values, windows, scale = self._data.recordings.values, self._data.windows, self._scale
        raw = Episode(
            *(
                array
                for name in ("support_examples", "query_examples")
                for rows in [np.asarray(specs[name])]
                for chosen in [filled(rows)]
                for array in (windows.take(values, chosen), marked(self._targets[chosen], rows))
            )
        )
        channel = self._settings.target_channel
        if scale.by == "example":
            forecasts = self._settings.target == "forecast"
            return scaled_by_support(raw, channel if forecasts else None, scale.target)
        return Episode(
            scale.apply(raw.support_inputs),
            scale.apply_to_targets(raw.support_targets, channel),
            scale.apply(raw.query_inputs),
            scale.apply_to_targets(raw.query_targets, channel),
        )

    def showcase(self, specs: Specs) -> Specs:
        """As they are: the picture shows the queries that are measured."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """By series."""
        return [self._names[int(each)] for each in specs["series"]]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Numbers say it all."""
        return ()

    def protocol(self, split: Split) -> dict[str, Any]:
        """Where the series are from, how they are split, and what a unit of the loss is."""
        settings = self._settings
        what = "the value of a window"
        if settings.target == "forecast":
            samples = "sample" if settings.horizon == 1 else f"{settings.horizon} samples"
            what = f"the next {samples} of channel {settings.target_channel}"
        return {
            **self._data.protocol(),
            "target": what,
            "support_from": f"the first {settings.early_share:.0%} of a series, queries: the rest",
            "split_hash": self._split_hash,
            "different_tasks": len(self._splits[split]),
            "unit_of_the_loss": loss_of(self).unit(self._unit()),
            "data_digest": self.digest,
        }

    def describe(self) -> dict[str, Any]:
        """Describe what the source holds and how it is split."""
        early, late = list(map(len, self._early)), list(map(len, self._late))
        used = sum(len(self._splits[split]) for split in SPLITS)
        return {
            **self._data.describe(),
            "series": len(self._names),
            "earlier_examples_per_series": [min(early), max(early)],
            "later_examples_per_series": [min(late), max(late)],
            **{f"{split}_series": len(self._splits[split]) for split in SPLITS},
            "series_left_out": len(self._names) - used,
            "split_hash": self._split_hash,
        }

    def notes(self) -> list[str]:
        """Signals and series that are left out."""
        shots, queries = self._settings.shots, self._settings.queries
        used = np.concatenate([self._splits[split] for split in SPLITS])
        small = np.setdiff1d(np.flatnonzero(self._small(shots, queries)), used)
        names = [self._names[i] for i in small]
        sizes = [len(self._early[i]) + len(self._late[i]) for i in small]
        wanted = needs(shots, queries)
        return [*self._data.notes(), *left_out_notes(names, sizes, wanted, "series")]

    def _parts(self) -> tuple[list[Rows], list[Rows]]:
        """Of each series, its earlier and its later examples; none has the content of another."""
        windows, recordings = self._data.windows, self._data.recordings
        place = {name: i for i, name in enumerate(self._names)}
        of_signal = np.array([place[name] for name in recordings.recordings])
        of_example = of_signal[windows.signals]
        early, late = [], []
        order = np.argsort(of_example, kind="stable").astype(np.int32)
        counts = np.bincount(of_example, minlength=len(self._names))
        for rows in np.split(order, np.cumsum(counts)[:-1]):
            rows = once_each(self._data.ids, rows)
            early.append(rows[~windows.late[rows]])
            late.append(rows[windows.late[rows]])
        return early, late

    def _raw_targets(self) -> NDArray[np.float64]:
        """[examples, outputs] in the source's own units."""
        settings, windows, recordings = self._settings, self._data.windows, self._data.recordings
        if settings.target == "forecast":
            channel = settings.target_channel
            if channel >= recordings.channels:
                raise DataError(
                    f"task.target_channel = {channel}, but the last channel of "
                    f"{recordings.source} is {recordings.channels - 1}; lower it"
                )
            examples = np.arange(len(windows))
            values = recordings.values[:, channel : channel + 1]
            following = windows.following(values, examples, settings.horizon)
            return following[..., 0].astype(np.float64)
        return targets_of(recordings, windows)

    def _scale_of_targets(self, of_training: NDArray[np.bool_]) -> Scaling:
        known = self._targets[of_training]
        if known.min() == known.max():
            raise DataError(
                f"{self._data.recordings.source}: the value to predict is {known.min():g} in all "
                "series of training; there is nothing to learn"
            )
        return Scaling(known.mean(0), known.std(0))

    def _unit(self) -> str:
        channel, scale = self._settings.target_channel, self._scale
        if scale.target is not None:
            of = "the value's standard deviation over training series"
            return f"{scale.target.deviation[0]:.4g}, {of}"
        if scale.fixed is not None:
            of = "the standard deviation of samples of training series"
            return f"{scale.fixed.deviation[channel]:.4g}, {of}"
        if scale.by == "example":
            return "the standard deviation of the task's own support windows"
        return "the samples' own unit"

    def _small(self, shots: Size, queries: Size) -> NDArray[np.bool_]:
        early, late = self._sizes.T
        return (early < least(shots)) | (late < least(queries))

    def _split(self) -> Splits:
        """Series are split first: which are for testing does not hang on what small ones are."""
        settings = self._data.split_settings()
        splits = split_names(self._names, settings, "tasks")
        if settings.small_classes == "leave_out":
            small = self._small(settings.shots, settings.queries)
            splits = {split: own[~small[own]] for split, own in splits.items()}
        for split, own in splits.items():
            if not len(own):
                raise DataError(
                    f"{self._data.recordings.source} has {len(self._names)} series, and none that "
                    f"has enough windows is left for {split}: every split needs one; set "
                    "task.train_tasks, task.validation_tasks and task.test_tasks, or lower "
                    "task.shots or task.queries"
                )
        return splits

    def _check_sizes(self, split: Split, shots: Size, queries: Size) -> None:
        small = self._small(shots, queries)
        own = self._splits[split]
        if not len(short := own[small[own]]):
            return
        sizes = [len(self._early[i]) + len(self._late[i]) for i in short]
        first = int(short[int(np.argmin(sizes))])
        remedy = or_left_out(int((~small).sum()), len(SPLITS), "task.small_classes", "series")
        if self._settings.small_classes == "leave_out":  # those with too few for training
            remedy = ", or evaluation.shots or evaluation.queries"
        raise DataError(
            f"the series {self._names[first]!r} has {len(self._early[first])} different windows in "
            f"its earlier part and {len(self._late[first])} in its later one"
            f"{others([self._names[i] for i in short], sizes)}; {needs(shots, queries)} "
            f"need as many; lower task.shots, task.queries or task.hop{remedy}"
        )


def targets_of(recordings: Recordings, windows: Windows) -> NDArray[np.float64]:
    """Return the value that belongs to each example: its signal's, or that at its last sample.

    Raises:
      DataError: there are none.
    """
    if recordings.targets is None:
        raise DataError(f"{recordings.source}: has no values to predict (task.label_column)")
    if len(recordings.targets) == len(recordings):
        return recordings.targets[windows.signals][:, None]
    return recordings.targets[windows.starts + windows.length - 1][:, None]
