"""N-way K-shot classification of signals."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.losses.choice import choose_loss
from workers.settings.section import Size
from workers.settings.signal_task import SignalTask
from workers.tasks.copies import overlap
from workers.tasks.display_text import DisplayText
from workers.tasks.leaving_out import left_out_notes, or_left_out
from workers.tasks.signals.dataset import SignalData
from workers.tasks.signals.scale import SignalScale, Standardized
from workers.tasks.signals.signal_classes import ClassExamples, Rows
from workers.tasks.sizes import (
    PADDING,
    draw_ways,
    empty_rows,
    filled,
    least,
    marked,
    most,
    most_ways,
    needs,
    padded,
    real,
)
from workers.tasks.splits import SPLITS, Splits, check_ways, choose_ways, split_hash, split_names
from workers.wire.errors import DataError
from workers.wire.protocol import Array, Draw, Episode, Specs, Split

# A task in which samples of the support set are asked about is drawn again so often.
_MOST_TRIES = 100


class SignalClasses:
    """A task is `ways` classes of one split, and some signals, or windows, of each.

    No recording, or no part of one, has windows in the support set and the queries of a task,
    whatever classes they are of.
    """

    picture = "signal_episode"
    num_tokens: int | None = None

    def __init__(self, settings: SignalTask):
        """Read the signals, and split them by classes.

        Raises:
          DataError: see `SignalData`; or a class or a split is too small, or its classes share too
            many recordings.
        """
        self._settings = settings
        self._data = SignalData(settings)
        self._classes = ClassExamples(self._data)
        self._splits = self._split()
        self._pools = {
            split: self._classes.pools(self._splits[split], settings.same_domain)
            for split in SPLITS
        }
        self._ways = choose_ways(
            settings.ways, {s: max(map(len, self._pools[s]), default=0) for s in SPLITS}
        )
        self._pools = {
            split: [pool for pool in pools if len(pool) >= least(self._ways)]
            for split, pools in self._pools.items()
        }
        self._check_examples(SPLITS, settings.shots, settings.queries)
        train = self._splits["train"]
        self._train_rank = np.full(len(self._classes.names), -1, np.int32)
        self._train_rank[train] = np.arange(len(train))
        recordings, windows = self._data.recordings, self._data.windows
        labels = np.array(recordings.labels)
        trained = np.flatnonzero(np.isin(labels, [self._classes.names[i] for i in train]))
        self._scale = SignalScale.of_training(settings.scaled_by, recordings, trained)
        self._inputs = Standardized(recordings.values, windows, self._scale)
        self._split_hash = split_hash(self._classes.names, self._splits)
        self.digest = self._data.digest(self._split_hash, self._scale.as_dict())
        self.input_shape: tuple[int, ...] = self._data.input_shape
        chosen = choose_loss(settings, "classes", most(self._ways))
        self.loss, self.loss_settings, self.num_outputs = chosen
        self.num_train_classes: int | None = len(train)
        for split in SPLITS if self._classes.share_recordings else ():
            self.sample(Draw(0, split, 0), 0, 1, settings.shots, settings.queries)

    @property
    def preparation(self) -> dict[str, Any]:
        """How samples are standardized, and the sampling rate."""
        return {"signals": {**self._scale.as_dict(), "rate": self._data.recordings.rate}}

    def sample(
        self, draw: Draw, lo: int, hi: int, shots: Size, queries: Size, ways: Size | None = None
    ) -> Specs:
        """Classes and examples by index.

        Args:
          ways: classes of a task; None: as the settings say.
        Returns:
          classes: int32 [tasks, ways]. support_examples, query_examples: int32 [tasks, ways, shots]
          and [.., queries]; see `workers.tasks.sizes`.
        Raises:
          DataError: a class has too few examples, or they are copies of another class's, or of
            recordings that other classes need on the other side; or the split has too few classes.
        """
        self._check_examples([draw.split], shots, queries)
        ways = ways or self._ways
        pools = self._pools_for(ways, draw.split)
        classes = empty_rows(hi - lo, ways)
        support, query = (empty_rows(hi - lo, ways, size) for size in (shots, queries))
        for task in range(hi - lo):
            rng = draw.generator(lo + task)
            is_dealt = False
            for _ in range(_MOST_TRIES):
                drawn = _draw_classes(rng, pools, ways)
                examples = self._classes.draw(rng, drawn, shots, queries)
                if examples is None:
                    continue
                is_dealt = True
                classes[task], support[task], query[task] = PADDING, PADDING, PADDING
                classes[task, : len(drawn)] = drawn
                for way, (told, asked) in enumerate(examples):
                    support[task, way] = padded(told, shots)
                    query[task, way] = padded(asked, queries)
                sides = (self._data.ids[filled(side[task][None])] for side in (support, query))
                if not overlap(*sides):
                    break
            else:
                raise self._no_task(draw.split, is_dealt, needs(shots, queries))
        return {"classes": classes, "support_examples": support, "query_examples": query}

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Return inputs float32 [tasks, ways * examples, length, channels], targets int32."""
        number = np.shape(specs["classes"])[1]
        labels = np.broadcast_to(np.arange(number, dtype=np.int32), np.shape(specs["classes"]))
        if global_labels:
            labels = self._train_rank[specs["classes"]]
            assert labels.min(initial=0) >= 0, "global labels are for tasks of the training split"
        support, query = (self._set(specs, f"{name}_examples", labels) for name in _SETS)
        return Episode(*support, *query)

    def showcase(self, specs: Specs) -> Specs:
        """As they are: the picture shows the queries that are measured."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """By class."""
        names = self._classes.names
        return [", ".join(names[each] for each in real(classes)) for classes in specs["classes"]]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Where each signal is, and the names of the classes."""
        found = []
        for task, classes in enumerate(specs["classes"]):
            options = [self._classes.names[int(each)] for each in real(classes)]
            told, asked = (
                [self._data.told(int(e)) for e in real(specs[f"{name}_examples"][task])]
                for name in _SETS
            )
            found.append(DisplayText(told, [options] * len(told), asked, [options] * len(asked)))
        return found

    def protocol(self, split: Split) -> dict[str, Any]:
        """Where the signals are from, how classes are split, and how examples are kept apart."""
        apart = "recording" if self._settings.apart == "recordings" else "part of a recording"
        table = {
            **self._data.protocol(),
            "support_and_queries_share": f"no {apart}",
            "split_hash": self._split_hash,
            "classes": len(self._splits[split]),
            "data_digest": self.digest,
        }
        if self._settings.same_domain:
            table["domains"] = len(self._pools[split])
        return table

    def describe(self) -> dict[str, Any]:
        """Describe what the source holds and how it is split."""
        names = self._classes.names
        sizes = [len(self._classes[i]) for i in range(len(names))]
        parts = [len(self._classes[i].parts) for i in range(len(names))]
        table = {
            **self._data.describe(),
            "classes": len(names),
            "examples_per_class": [min(sizes), max(sizes)],
        }
        if self._settings.apart == "recordings":
            table["recordings_per_class"] = [min(parts), max(parts)]
        return {
            **table,
            **{f"{split}_classes": len(self._splits[split]) for split in SPLITS},
            "classes_left_out": len(self._classes.left_out(self._splits)),
            "split_hash": self._split_hash,
        }

    def notes(self) -> list[str]:
        """Signals and classes that are left out, and samples that are there again."""
        copies = self._classes.copies(self._splits).notes("example", "class", "classes")
        return [*self._data.notes(), *self._notes_of_small(), *copies]

    def _notes_of_small(self) -> list[str]:
        shots, queries = self._settings.shots, self._settings.queries
        unused = set(self._classes.left_out(self._splits))
        small = [i for i in self._classes.small(shots, queries) if i in unused]
        names = [self._classes.names[i] for i in small]
        sizes = [len(self._classes[i]) for i in small]
        return left_out_notes(names, sizes, needs(shots, queries), "classes")

    def _pools_for(self, ways: Size, split: Split) -> list[Rows]:
        """Return the pools of a split in which a task finds the least number of classes."""
        check_ways(ways, split, max(map(len, self._pools[split])))
        return [pool for pool in self._pools[split] if len(pool) >= least(ways)]

    def _set(self, specs: Specs, name: str, labels: Array) -> tuple[Array, Array]:
        rows = np.asarray(specs[name])
        tasks, ways, number = rows.shape
        inputs = self._inputs.take(filled(rows).reshape(tasks, ways * number))
        targets = np.repeat(labels, number, axis=1).astype(np.int32)
        return inputs, marked(targets, rows.reshape(tasks, ways * number))

    def _split(self) -> Splits:
        """By name, without small classes if so."""
        names, settings = self._classes.names, self._data.split_settings()
        kept = np.arange(len(names))
        if settings.small_classes == "leave_out":
            small = self._classes.small(settings.shots, settings.queries)
            kept = np.setdiff1d(kept, small)
        if settings.split_file is not None:
            splits = split_names(names, settings)
            return {split: each[np.isin(each, kept)] for split, each in splits.items()}
        least = most_ways(settings.ways)
        found = split_names([names[i] for i in kept], settings, "classes", (least, least, least))
        return {split: kept[each].astype(np.int32) for split, each in found.items()}

    def _check_examples(self, splits: Sequence[Split], shots: Size, queries: Size) -> None:
        used = np.concatenate([pool for split in splits for pool in self._pools[split]])
        all_small = self._classes.small(shots, queries)
        small = [i for i in all_small if i in used]
        if not small:
            return
        left = len(self._classes.names) - len(all_small)
        remedy = or_left_out(left, 3 * most_ways(self._settings.ways), "task.small_classes")
        if self._settings.small_classes == "leave_out":  # those with too few for training
            remedy = ", or evaluation.shots or evaluation.queries"
        if self._classes.is_single(small):
            remedy += ", or take support and queries of a recording's two parts: task.apart=time"
        raise DataError(
            f"{needs(shots, queries)} need {least(shots) + least(queries)} different examples of "
            f"a class, and no recording on both sides; {self._classes.told(small)}; lower "
            f"task.shots or task.queries{remedy}"
        )

    def _no_task(self, split: Split, is_dealt: bool, wanted: str) -> DataError:
        if not is_dealt:
            return DataError(
                f"classes of the {split} split share recordings, and no task was found for "
                f"{wanted} whose support set and queries have none in common; lower task.shots, "
                "task.queries or task.ways, or take them of a recording's two parts: "
                "task.apart=time"
            )
        pairs = ", in ".join(self._classes.copies(self._splits).pairs)
        return DataError(
            f"classes of the {split} split share so many examples that no task was found whose "
            f"queries are not in its support set: {pairs}; leave out one of each"
        )


def _draw_classes(rng: np.random.Generator, pools: Sequence[Rows], ways: Size) -> Rows:
    """Draw the classes of a task from one of the pools, at most as many as it has."""
    pool = pools[int(rng.integers(len(pools)))] if len(pools) > 1 else pools[0]
    if isinstance(ways, tuple):
        ways = ways[0], min(ways[1], len(pool))
    return rng.choice(pool, draw_ways(rng, ways), replace=False)


_SETS = ("support", "query")
