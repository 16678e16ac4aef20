"""Readers of a user's texts for classification and matching: a table, or strings."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from orchestrator.adaptation.readers.numbers import table_file
from orchestrator.adaptation.readers.reader import Columns, Examples, Reader, Role
from orchestrator.adaptation.readers.strings import named_texts
from orchestrator.adaptation.user_tasks import UserTask
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.table.rows import Rows
from workers.tasks.text.tokens import Tokens
from workers.wire.errors import DataError
from workers.wire.protocol import Array


class TextReader(Reader):
    """A reader of texts and classes in the run's columns, or in others that are named."""

    def __init__(self, task: Any, shapes: UserTaskShapes):
        self._task = task
        self._tokens = Tokens.from_dict(shapes.preparation["tokens"])
        self._has_strings = shapes.preparation.get("strings", False)

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """Read a CSV, Parquet or Arrow file; queries need no class."""
        path = table_file(source, role)
        inputs = columns.inputs or (self._task.text_column,)
        if len(inputs) > 1:
            raise DataError(f"--input-column {', '.join(inputs)}: a text is in a single column")
        (column,) = inputs
        target, task = columns.target or self._task.label_column, columns.task
        rows = Rows(path, [name for name in (column, target, task) if name])
        rows.check_texts(column, "--input-column")
        if role == "support":
            rows.check(target, "--target-column")
        if task:
            rows.check(task, "--task-column")
        texts = rows.texts(column)
        by_name = {f"{source}: row {row}": text for row, text in enumerate(texts)}
        return Examples(
            inputs=self._prepared(by_name),
            targets=rows.texts(target) if target in rows.column_names else None,
            names=texts,
            tasks=rows.texts(task) if task else [""] * len(texts),
        )

    def inputs(self, texts: Any) -> Array:
        """Encode strings, int32 [n, length]; or keep them, for a backbone that takes strings."""
        return self._prepared(named_texts(texts))

    def _prepared(self, texts: Mapping[str, str]) -> Array:
        if self._has_strings:
            return np.array([text.strip() for text in texts.values()], object)
        return self._tokens.encode(texts, self._task.long_texts == "cut")


class MatchingReader(TextReader):
    """A reader for matching: a text's candidates are one other support text of each class."""

    def __init__(self, task: Any, shapes: UserTaskShapes):
        super().__init__(task, shapes)
        self._num_candidates = shapes.num_outputs

    def assemble(self, task: UserTask) -> UserTask:
        """Add candidates to the inputs: [n, length] -> [n, 1 + candidates, length].

        Candidate i is of class i. If there are fewer classes than candidates, the rest is padding.
        """
        texts, classes = task.support_inputs, task.support_targets
        of_class = [np.flatnonzero(classes == i) for i in range(len(task.classes or []))]
        padding = [np.zeros_like(texts[0])] * (self._num_candidates - len(of_class))
        support = [
            [text, *(texts[_other(rows, place)] for rows in of_class), *padding]
            for place, text in enumerate(texts)
        ]
        firsts = [*(texts[rows[0]] for rows in of_class), *padding]
        queries = [[text, *firsts] for text in task.query_inputs]
        return replace(task, support_inputs=np.array(support), query_inputs=np.array(queries))


def _other(rows: Array, place: int) -> int:
    """Return the first of `rows` that is not `place`; `place` if there is no other."""
    return int(next((row for row in rows if row != place), rows[0]))
