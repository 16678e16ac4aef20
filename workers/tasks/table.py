"""Tasks from a table of one's own: a task is a group of rows, such as a customer's."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workers.errors import DataError
from workers.protocol import Array, Draw, Episode, Specs, Split
from workers.scores import LossName
from workers.settings.tasks import TableTask
from workers.tasks.columns import Scaled, choose_features, read_target
from workers.tasks.rows import Rows
from workers.tasks.splits import SPLITS, split_hash, split_names
from workers.tasks.words import Words


class TableFamily:
    """Features, and in regression targets, are standardized with the rows of the training tasks.

    Classes mean the same in every task: output i is class i of all that the table has, sorted.
    """

    digest: str

    def __init__(self, settings: TableTask):
        """Read the table, and split it by tasks.

        Raises:
          DataError: a column is missing, constant or no numbers, a value is missing or not finite,
            or a task has too few rows.
        """
        self._settings = settings
        rows = Rows(Path(settings.path), [settings.task_column])
        rows.check(settings.task_column, "task.task_column")
        rows.check(settings.target_column, "task.target_column")
        of_row = rows.texts(settings.task_column)
        target, self._classes = read_target(rows, settings)
        classifies = self._classes is not None
        self._rows_of = self._group(of_row, target if classifies else None)
        self._names = sorted(self._rows_of)
        self._splits = split_names(self._names, settings, "tasks")
        train = np.concatenate([self._all_rows(i) for i in self._splits["train"]])
        self._features = choose_features(rows, settings, train)
        self._target = None if classifies else Scaled.of(target, train, [settings.target_column])
        self._inputs = self._features.apply(self._features.values)
        self._targets = target.astype(np.int32) if classifies else self._scaled(target)

        self.loss: LossName = "cross_entropy" if classifies else "mse"
        self.picture = "confusion" if classifies else "predicted"
        self.input_shape: tuple[int, ...] = (len(self._features.names),)
        self.num_outputs = len(self._classes) if self._classes else 1
        # Classes mean the same everywhere: joint training needs no head of its own for them.
        self.num_train_classes: int | None = None
        self.num_tokens: int | None = None
        self._split_hash = split_hash(self._names, self._splits)
        self.digest = self._hash()

    @property
    def preparation(self) -> dict[str, Any]:
        """Columns, their scales, and the classes."""
        return {
            "task_column": self._settings.task_column,
            "target_column": self._settings.target_column,
            "features": self._features.as_dict(),
            "target": None if self._target is None else self._target.as_dict(),
            "classes": self._classes,
        }

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """Rows by index.

        Returns:
          support_rows, query_rows: int32 [tasks, shots] and [tasks, queries], of each class one
          after another where there are any; all different.
        Raises:
          DataError: the split has no task, or a task fewer than shots + queries rows.
        """
        tasks = self._splits[draw.split]
        if not len(tasks):
            raise DataError(
                f"no task is left to be a {draw.split} task: {self._settings.path} has "
                f"{len(self._names)}; set task.{draw.split}_tasks"
            )
        self._check_sizes(tasks, shots + queries)
        support, query = [], []
        for task in range(lo, hi):
            rng = draw.generator(task)
            groups = self._rows_of[self._names[tasks[rng.integers(len(tasks))]]]
            chosen = [rng.choice(group, shots + queries, replace=False) for group in groups]
            support.append(np.concatenate([rows[:shots] for rows in chosen]))
            query.append(np.concatenate([rows[shots:] for rows in chosen]))
        ways = len(self._classes) if self._classes else 1
        shape = (hi - lo, ways)
        return {
            "support_rows": np.array(support, np.int32).reshape(shape[0], ways * shots),
            "query_rows": np.array(query, np.int32).reshape(shape[0], ways * queries),
        }

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Inputs float32 [tasks, rows, features]; targets int32, or float32 [.., 1]."""
        support, query = (np.asarray(specs[name]) for name in ("support_rows", "query_rows"))
        return Episode(
            self._inputs[support], self._targets[support], self._inputs[query], self._targets[query]
        )

    def showcase(self, specs: Specs) -> Specs:
        """As they are: the picture shows the queries that are measured."""
        return specs

    def words(self, specs: Specs) -> Sequence[Words]:
        """Numbers say it all."""
        return ()

    def protocol(self, split: Split) -> dict[str, Any]:
        """Where the rows are from, how tasks are split, and what a unit of the loss is."""
        table: dict[str, Any] = {
            "tasks_from": Path(self._settings.path).name,
            "split_hash": self._split_hash,
            "groups": len(self._splits[split]),
            "features": len(self._features.names),
            "data_digest": self.digest,
        }
        if self._target is not None:
            table["target_unit"] = (
                f"{self._target.sd[0]:.6g}, the standard deviation over training tasks"
            )
        return table

    def describe(self) -> dict[str, Any]:
        """What the table holds and how it is split."""
        sizes = [sum(len(group) for group in self._rows_of[name]) for name in self._names]
        return {
            "source": self._settings.path,
            "rows": sum(sizes),
            "tasks": len(self._names),
            "rows_per_task": [min(sizes), max(sizes)],
            "features": list(self._features.names),
            "target": self._settings.target_column,
            "classes": self._classes,
            **{f"{split}_tasks": len(self._splits[split]) for split in SPLITS},
            "split_hash": self._split_hash,
        }

    def _group(self, of_row: Sequence[str], classes: Array | None) -> dict[str, list[Array]]:
        """Task -> its rows, of each class apart where there are any."""
        names, inverse = np.unique(np.asarray(of_row), return_inverse=True)
        groups: dict[str, list[Array]] = {}
        smallest = self._settings.shots + self._settings.queries
        for i, name in enumerate(names):
            rows = np.flatnonzero(inverse == i).astype(np.int32)
            parts: list[Array] = [rows]
            if classes is not None:
                parts = [rows[classes[rows] == c] for c in range(len(self._classes or []))]
            if self._settings.small_tasks == "refuse" or min(map(len, parts)) >= smallest:
                groups[str(name)] = parts
        if not groups:
            each = " of each class" if classes is not None else ""
            raise DataError(
                f"{self._settings.path}: no task has {smallest} rows{each}; lower task.shots or "
                "task.queries"
            )
        return groups

    def _check_sizes(self, tasks: Array, needed: int) -> None:
        for i in tasks:
            for place, group in enumerate(self._rows_of[self._names[int(i)]]):
                if len(group) < needed:
                    of = f" of class {self._classes[place]!r}" if self._classes else ""
                    raise DataError(
                        f"{self._settings.path}: the task {self._names[int(i)]!r} has {len(group)} "
                        f"rows{of}, shots and queries need {needed}; lower task.shots or "
                        "task.queries, or leave such tasks out: task.small_tasks=leave_out"
                    )

    def _all_rows(self, task: int) -> Array:
        return np.concatenate(self._rows_of[self._names[task]])

    def _scaled(self, target: Array) -> Array:
        assert self._target is not None
        return self._target.apply(target[:, None])

    def _hash(self) -> str:
        total = hashlib.sha256(json.dumps(self.preparation, sort_keys=True).encode())
        for array in (self._inputs, self._targets):
            total.update(np.ascontiguousarray(array).tobytes())
        total.update(
            json.dumps({n: [g.tolist() for g in r] for n, r in self._rows_of.items()}).encode()
        )
        total.update(self._split_hash.encode())
        return total.hexdigest()
