"""tasks.parquet: the scores of single test tasks, some of which a mean over tasks would hide."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.storage.storage import Storage
from workers.losses.registry import loss_of
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Block

TASK_SCORES_FILE = "tasks.parquet"
#: The share of the variance of a task's targets that is left; the targets' mean would leave 1.
UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True, eq=False)
class TaskScores:
    """The scores of single test tasks.

    names: name of each task.
    columns: scores by name, float64 [tasks]: "loss_before", "loss_after" and so on for each metric;
      "unexplained" if a squared error is among them.
    """

    names: Sequence[str]
    columns: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(
        cls,
        family: TaskFamily,
        blocks: Sequence[Block],
        values: Mapping[str, NDArray[np.float64]],
        inner_steps: int,
    ) -> "TaskScores":
        """Select the scores before adaptation and after `inner_steps` inner steps.

        Args:
          blocks: blocks of the tasks.
          values: metric -> scores, float64 [tasks, inner steps + 1].
        """
        columns = {}
        for name, by_step in values.items():
            columns[f"{name}_before"] = by_step[:, 0]
            columns[f"{name}_after"] = by_step[:, inner_steps]
        if error := loss_of(family).squared_error:
            variance = np.concatenate([_variance(family, block) for block in blocks])
            columns[UNEXPLAINED] = columns[f"{error}_after"] / np.maximum(variance, 1e-300)
        return cls([name for block in blocks for name in family.names(block.specs)], columns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TaskScores):
            return NotImplemented
        if list(self.names) != list(other.names) or self.columns.keys() != other.columns.keys():
            return False
        pairs = ((values, other.columns[name]) for name, values in self.columns.items())
        return all(np.array_equal(one, two, equal_nan=True) for one, two in pairs)

    __hash__ = None  # type: ignore[assignment]

    def by_name(self, column: str) -> list[tuple[str, float, int]]:
        """List each different task: its name, its mean score, and how often it was drawn."""
        by_task: dict[str, list[float]] = {}
        for name, value in zip(self.names, self.columns[column], strict=True):
            by_task.setdefault(name, []).append(float(value))
        return [(name, float(np.mean(draws)), len(draws)) for name, draws in by_task.items()]

    def write(self, storage: Storage) -> None:
        """Write tasks.parquet with a row for each task, in the order of the evaluation."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        content = io.BytesIO()
        pq.write_table(pa.table({"task": list(self.names), **self.columns}), content)
        storage.write(TASK_SCORES_FILE, content.getvalue())


def read_task_scores(storage: Storage) -> TaskScores | None:
    """Read the scores of a run; return None if it has none, as older runs.

    Raises:
      ValueError: the file is not what a run writes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not storage.exists(TASK_SCORES_FILE):
        return None
    try:
        table = pq.read_table(io.BytesIO(storage.read(TASK_SCORES_FILE)))
        names: list[Any] = table.column("task").to_pylist()
        return TaskScores(
            names,
            {
                name: table.column(name).cast(pa.float64()).to_numpy()
                for name in table.column_names
                if name != "task"
            },
        )
    except (pa.ArrowException, KeyError) as error:
        raise ValueError(
            f"{storage.place(TASK_SCORES_FILE)} is not what a run writes ({error}); delete it, "
            "or recreate it with metatrain train --resume"
        ) from None


def _variance(family: TaskFamily, block: Block) -> NDArray[np.float64]:
    """Return the variance of all targets of each task, float64 [tasks]."""
    episode = family.build(block.specs)
    targets = np.concatenate([episode.support_targets, episode.query_targets], axis=1)
    return np.nanvar(targets.astype(np.float64), axis=1).mean(axis=-1)  # NaN is padding
