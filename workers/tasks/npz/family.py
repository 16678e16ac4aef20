"""Tasks from .npz files: examples are drawn from the arrays of one file."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.losses.choice import choose_loss
from workers.settings.losses.loss_settings import Targets
from workers.settings.npz_task import NpzTask
from workers.settings.section import Size
from workers.tasks.copies import Copies
from workers.tasks.display_text import DisplayText
from workers.tasks.leaving_out import or_left_out
from workers.tasks.npz.arrays import Side, read_all
from workers.tasks.sizes import draw_rows, filled, least, marked, most
from workers.tasks.splits import SPLITS, Splits, split_hash, split_names
from workers.tasks.table.row_groups import RowGroups
from workers.tasks.table.table_notes import row_ids
from workers.wire.errors import DataError
from workers.wire.protocol import Draw, Episode, Specs, Split


class NpzFamily:
    """Arrays are used as they are: nothing is scaled. Class i is the file's own class i."""

    num_train_classes: int | None = None
    num_tokens: int | None = None

    def __init__(self, settings: NpzTask):
        """Read all files, and split them.

        Raises:
          DataError: a file cannot be read or does not fit the others, has too few examples, or a
            split no file.
        """
        self._settings = settings
        found = read_all(settings.path, settings.wanted)
        self._source, self._own, self._query = found.source, found.own, found.query
        self._ways = found.classes or 1
        self._groups = self._grouped(found.own)
        self._asked = None if found.query is None else self._grouped(found.query)
        names = self._groups.names
        splits = split_names(names, settings, "tasks")
        self._copies = self._count_copies(splits)
        self._splits = self._without_small(splits)
        targets: Targets = "classes" if found.classes else settings.wanted or "numbers"
        number = found.classes or int(found.own.targets.shape[1])
        self.loss, self.loss_settings, self.num_outputs = choose_loss(settings, targets, number)
        self.picture = "predicted" if found.classes is None else "confusion"
        self.input_shape: tuple[int, ...] = found.own.inputs.shape[1:]
        self.preparation: dict[str, Any] = {}
        self._split_hash = split_hash(names, self._splits)
        self.digest = self._hash()

    def _grouped(self, side: Side) -> RowGroups:
        classes = [str(each) for each in range(self._ways)] if self._ways > 1 else None
        of_row = None if classes is None else side.targets.astype(np.int32)
        groups = RowGroups.of(self._source, side.task_of_row, of_row, classes)
        return RowGroups(
            groups.source, groups.names, groups.rows, groups.fewest, classes, "example"
        )

    def _count_copies(self, splits: Splits) -> Copies:
        """Let each example count once in its task."""
        ids = row_ids(self._own.inputs, self._own.targets)  # both of four bytes
        rows = [np.concatenate(parts) for parts in self._groups.rows]
        copies = Copies.count(ids, rows, self._groups.names, splits)
        self._asked_again = self._count_asked_again(rows)
        if copies.repeats:
            self._groups = self._groups.once_each(ids)
        return copies

    def _count_asked_again(self, rows: Sequence[NDArray[np.int32]]) -> int:
        """Count the examples of query_x that x of the same task has too; `rows`: of x, by task."""
        if self._query is None or self._asked is None:
            return 0
        inputs, targets = (
            np.concatenate([getattr(side, name) for side in (self._own, self._query)])
            for name in ("inputs", "targets")
        )
        ids, number = row_ids(inputs, targets), len(self._own.inputs)
        asked = (np.concatenate(parts) + number for parts in self._asked.rows)
        pairs = zip(rows, asked, strict=True)
        return sum(int(np.isin(ids[theirs], ids[own]).sum()) for own, theirs in pairs)

    def _fits(self, shots: Size, queries: Size) -> NDArray[np.bool_]:
        """Which tasks have enough examples."""
        few, asked = least(shots), least(queries)
        if self._asked is None:
            return self._groups.fewest >= few + asked
        return (self._groups.fewest >= few) & (self._asked.fewest >= asked)

    def _without_small(self, splits: Splits) -> Splits:
        """Tasks are split first: which are for testing does not hang on what small ones are."""
        settings = self._settings
        if settings.small_tasks == "leave_out":
            fits = self._fits(settings.shots, settings.queries)
            splits = {split: tasks[fits[tasks]] for split, tasks in splits.items()}
        for split, tasks in splits.items():
            if not len(tasks):
                raise DataError(
                    f"{self._source} has {len(self._groups.names)} tasks, and none with enough "
                    f"examples is left for {split}: every split needs one; set task.train_tasks, "
                    "task.validation_tasks and task.test_tasks, or lower task.shots and "
                    "task.queries"
                )
        return splits

    def sample(self, draw: Draw, lo: int, hi: int, shots: Size, queries: Size) -> Specs:
        """Examples by their rows.

        Returns:
          task: int32 [tasks]. support_rows, query_rows: int32 [tasks, ways * shots] and [tasks,
          ways * queries], class by class (ways = 1 in regression); see `workers.tasks.sizes`.
        Raises:
          DataError: a task of the split has too few examples.
        """
        tasks = self._splits[draw.split]
        self._check_sizes(draw.split, shots, queries)
        chosen, support, query = [], [], []
        for index in range(lo, hi):
            rng = draw.generator(index)
            task = int(tasks[rng.integers(len(tasks))])
            chosen.append(task)
            asked = [] if self._asked is None else self._asked.rows[task]
            own, query_rows = draw_rows(rng, self._groups.rows[task], shots, queries, asked)
            support.append(own)
            query.append(query_rows)
        room = self._ways * most(shots), self._ways * most(queries)
        return {
            "task": np.array(chosen, np.int32),
            "support_rows": np.array(support, np.int32).reshape(hi - lo, room[0]),
            "query_rows": np.array(query, np.int32).reshape(hi - lo, room[1]),
        }

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Build inputs [tasks, examples, ...], and targets int32 or float32 [.., d]."""
        assert not global_labels, "classes are those of a file"
        arrays = []
        for side, name in ((self._own, "support_rows"), (self._query or self._own, "query_rows")):
            rows = np.asarray(specs[name])
            chosen = filled(rows)
            arrays += [side.inputs[chosen], marked(side.targets[chosen], rows)]
        return Episode(*arrays)

    def showcase(self, specs: Specs) -> Specs:
        """As they are: the picture shows the queries that are measured."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """By the file."""
        return [self._groups.names[int(task)] for task in specs["task"]]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Numbers say it all."""
        return ()

    def notes(self) -> list[str]:
        """Examples that are there again."""
        notes = self._copies.notes("example", "task", "tasks")
        if number := self._asked_again:
            are = "example of query_x is" if number == 1 else "examples of query_x are"
            notes.append(
                f"{number} {are} in x of the same task too: a task may have them in support and "
                "query; leave them out of one"
            )
        return notes

    def describe(self) -> dict[str, Any]:
        """Describe what the files hold and how they are split."""
        sizes = [sum(map(len, parts)) for parts in self._groups.rows]
        table: dict[str, Any] = {
            "source": self._source,
            "tasks": len(sizes),
            "examples_per_task": [min(sizes), max(sizes)],
            "example": list(self.input_shape),
            "queries_from": self._queries_from,
        }
        if self._ways > 1:
            table["classes"] = self._ways
        used = sum(len(self._splits[split]) for split in SPLITS)
        return {
            **table,
            **{f"{split}_tasks": len(self._splits[split]) for split in SPLITS},
            "tasks_left_out": len(sizes) - used,
            "split_hash": self._split_hash,
        }

    def protocol(self, split: Split) -> dict[str, Any]:
        """Where the tasks are from, and how they are split."""
        table: dict[str, Any] = {
            "tasks_from": f"the files of {Path(self._source).name}",
            "split_hash": self._split_hash,
            "different_tasks": len(self._splits[split]),
            "queries_from": self._queries_from,
            "data_digest": self.digest,
        }
        return {**table, "classes": self._ways} if self._ways > 1 else table

    @property
    def _queries_from(self) -> str:
        return "x" if self._asked is None else "query_x"

    def _check_sizes(self, split: Split, shots: Size, queries: Size) -> None:
        left = int(np.sum(self._fits(shots, queries)))
        remedy = "lower shots or queries"
        remedy += or_left_out(left, len(SPLITS), "task.small_tasks", "tasks")
        if self._settings.small_tasks == "leave_out":  # those with too few for training
            remedy = "lower evaluation.shots or evaluation.queries"
        tasks = self._splits[split]
        few, asked = least(shots), least(queries)
        self._groups.check(tasks, few + (asked if self._asked is None else 0), remedy)
        if self._asked is not None:
            self._asked.check(tasks, asked, f"those are of query_x; {remedy}")

    def _hash(self) -> str:
        total = hashlib.sha256()
        for side in (self._own, self._query):
            if side is not None:
                for array in (side.inputs, side.targets):
                    total.update(f"{array.dtype} {array.shape} ".encode())
                    total.update(np.ascontiguousarray(array).tobytes())
                total.update("\n".join(side.task_of_row).encode())
        total.update(self._split_hash.encode())
        return total.hexdigest()
