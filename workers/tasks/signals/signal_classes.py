"""The classes of signals: which examples each has, and which of these never meet in a task."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from workers.settings.section import Size
from workers.tasks.copies import Copies, once_each
from workers.tasks.listing import others
from workers.tasks.signals.apart import Apart, deal_together, share_recordings
from workers.tasks.signals.dataset import SignalData
from workers.tasks.signals.recordings import check_classes
from workers.tasks.sizes import draw_sizes, holds_both, least
from workers.tasks.splits import SPLITS, Splits

Rows = NDArray[np.int32]


class ClassExamples:
    """names: of the classes, sorted. domains: of each, the part of its name up to the last "/"."""

    def __init__(self, data: SignalData):
        self._data = data
        self.names = check_classes(data.recordings)
        self.domains = [name.rpartition("/")[0] for name in self.names]
        place = {name: i for i, name in enumerate(self.names)}
        labels = data.recordings.labels
        assert labels is not None
        of_signal = np.array([place[label] for label in labels])
        of_example = of_signal[data.windows.signals]
        self._all: list[Rows] = [
            np.flatnonzero(of_example == i).astype(np.int32) for i in range(len(self.names))
        ]
        self._small: dict[tuple[int, int], list[int]] = {}
        self._apart = [self._deal(once_each(data.ids, rows)) for rows in self._all]
        #: Whether a recording has examples of several classes.
        self.share_recordings = share_recordings(self._apart)

    def __getitem__(self, number: int) -> Apart:
        return self._apart[number]

    def draw(
        self, rng: np.random.Generator, classes: Rows, shots: Size, queries: Size
    ) -> list[tuple[Rows, Rows]] | None:
        """Draw support and query examples of each class; no recording is on both sides of the task.

        Returns:
          None: the classes share recordings, and no way was found of dealing these out.
        """
        own = [self._apart[each] for each in classes]
        if not (self.share_recordings and share_recordings(own)):
            return [each.draw(rng, *draw_sizes(rng, shots, queries, each.holds)) for each in own]
        sizes = [draw_sizes(rng, shots, queries, each.holds) for each in own]
        sides = deal_together(rng, own, *zip(*sizes, strict=True))
        if sides is None and (isinstance(shots, tuple) or isinstance(queries, tuple)):
            fewest = [least(shots)] * len(own), [least(queries)] * len(own)
            if sides := deal_together(rng, own, *fewest):
                rooms = [holds_both(len(told), len(asked)) for told, asked in sides]
                sizes = [draw_sizes(rng, shots, queries, holds) for holds in rooms]
        return sides and [
            (rng.choice(told, few, replace=False), rng.choice(asked, more, replace=False))
            for (told, asked), (few, more) in zip(sides, sizes, strict=True)
        ]

    def small(self, shots: Size, queries: Size) -> list[int]:
        """Classes that have too few examples, of ranges for the least of both."""
        key = least(shots), least(queries)
        if key not in self._small:  # it is asked for at every step
            found = [i for i, own in enumerate(self._apart) if not own.holds(*key)]
            self._small[key] = found
        return self._small[key]

    def told(self, small: Sequence[int]) -> str:
        """Return the first of some classes, what it has, and how many there are."""
        sizes = [len(self._apart[i]) for i in small]
        first = small[int(np.argmin(sizes))]
        own = self._apart[first]
        parts = [len(part) for part in own.parts]
        if own.is_cut:
            has = f"{parts[0]} in its earlier and {parts[1]} in its later part"
        else:
            has = f"{sum(parts)} of {len(parts)} recording{'' if len(parts) == 1 else 's'}"
        return f"the class {self.names[first]!r} has {has}" + others(
            [self.names[i] for i in small], sizes
        )

    def is_single(self, classes: Iterable[int]) -> bool:
        """Whether one of some classes has a single recording, of which windows were cut."""
        return any(len(self._apart[i].parts) == 1 and len(self._apart[i]) > 1 for i in classes)

    def pools(self, classes: Rows, same_domain: bool) -> list[Rows]:
        """Those of a split that a task may mix: all, or those of one domain; largest first."""
        if not same_domain:
            return [classes]
        found: dict[str, list[int]] = {}
        for each in classes:
            found.setdefault(self.domains[each], []).append(int(each))
        pools = [np.array(found[name], np.int32) for name in sorted(found)]
        return sorted(pools, key=len, reverse=True)

    def copies(self, splits: Splits) -> Copies:
        """How often the same samples are there again."""
        return Copies.count(self._data.ids, self._all, self.names, splits)

    def left_out(self, splits: Splits) -> list[int]:
        """Classes of no split."""
        used = {int(each) for split in SPLITS for each in splits[split]}
        return [i for i in range(len(self.names)) if i not in used]

    def _deal(self, rows: Rows) -> Apart:
        """Return a class's examples by recording, or by time."""
        windows, recordings = self._data.windows, self._data.recordings
        if self._data.settings.apart == "time":
            late = windows.late[rows]
            return Apart([rows[~late], rows[late]], is_cut=True)
        parts: dict[str, list[int]] = {}
        for row in rows:
            parts.setdefault(recordings.recordings[windows.signals[row]], []).append(int(row))
        examples = [np.array(part, np.int32) for part in parts.values()]
        return Apart(examples, recordings=list(parts))
