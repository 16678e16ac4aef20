"""Texts of one's own: a table, or strings."""

from dataclasses import replace
from typing import Any

import numpy as np

from orchestrator.adaptation.readers.numbers import table_file
from orchestrator.adaptation.readers.reader import Columns, Examples, Reader, Role
from orchestrator.adaptation.readers.strings import named_texts
from orchestrator.adaptation.user_tasks import OwnTask
from workers.settings.given_task import GivenTask
from workers.tasks.table.rows import Rows
from workers.tasks.text.tokens import Tokens
from workers.wire.errors import DataError
from workers.wire.protocol import Array


class TextReader(Reader):
    """Texts and classes in the run's own columns, or in those that are named."""

    def __init__(self, task: Any, shapes: GivenTask):
        self._task = task
        self._tokens = Tokens.from_dict(shapes.preparation["tokens"])

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """A CSV, Parquet or Arrow file; queries need no class."""
        path = table_file(source, role)
        inputs = columns.inputs or (self._task.text_column,)
        if len(inputs) > 1:
            raise DataError(f"--input-column {', '.join(inputs)}: a text is in a single column")
        text, target, task = inputs[0], columns.target or self._task.label_column, columns.task
        rows = Rows(path, [name for name in (text, target, task) if name])
        rows.check_texts(text, "--input-column")
        if role == "support":
            rows.check(target, "--target-column")
        if task:
            rows.check(task, "--task-column")
        texts = rows.texts(text)
        named = {f"{source}: row {row}": each for row, each in enumerate(texts)}
        return Examples(
            inputs=self._tokens.encode(named, self._task.long_texts == "cut"),
            targets=rows.texts(target) if target in rows.column_names else None,
            names=texts,
            tasks=rows.texts(task) if task else [""] * len(texts),
        )

    def inputs(self, given: Any) -> Array:
        """Strings -> int32 [n, length]."""
        return self._tokens.encode(named_texts(given), self._task.long_texts == "cut")


class MatchingReader(TextReader):
    """The candidates of a text are one support text of each class, never itself."""

    def __init__(self, task: Any, shapes: GivenTask):
        super().__init__(task, shapes)
        self._num_candidates = shapes.num_outputs

    def assemble(self, task: OwnTask) -> OwnTask:
        """Inputs [n, length] -> [n, 1 + candidates, length], candidate i of class i.

        Where there are fewer classes than candidates, the rest are without a token.
        """
        texts, classes = task.support_inputs, task.support_targets
        of_class = [np.flatnonzero(classes == i) for i in range(len(task.classes or []))]
        none = [np.zeros_like(texts[0])] * (self._num_candidates - len(of_class))
        support = [
            [text, *(texts[_other(rows, place)] for rows in of_class), *none]
            for place, text in enumerate(texts)
        ]
        firsts = [*(texts[rows[0]] for rows in of_class), *none]
        queries = [[text, *firsts] for text in task.query_inputs]
        return replace(task, support_inputs=np.array(support), query_inputs=np.array(queries))


def _other(rows: Array, place: int) -> int:
    """The first of `rows` that is not `place`, unless that is all there is."""
    return int(next((row for row in rows if row != place), rows[0]))
