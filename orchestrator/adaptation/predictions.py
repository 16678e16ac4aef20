"""What adapted models answer, as a table, and how good it is where the truth is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.adaptation.checks import probabilities
from orchestrator.adaptation.readers.reader import Reader
from orchestrator.adaptation.user_tasks import OwnTask
from orchestrator.text.json_text import as_text
from workers.wire.protocol import Array


@dataclass(frozen=True, slots=True)
class Predictions:
    """Of one task, before and after each inner step.

    answers: probabilities [inner_steps + 1, queries, classes], or values [.., num_outputs].
    targets: of the queries, indices of classes or values; None where nobody knows them.
    """

    task: OwnTask
    answers: Array
    targets: Array | None

    @classmethod
    def of(cls, task: OwnTask, outputs: Array, reader: Reader) -> "Predictions":
        """From what the model gives.

        Args:
          outputs: logits, or values, [inner_steps + 1, queries, outputs].
          reader: knows the user's own units.
        """
        targets = task.query_targets
        if task.classes is None:
            answers = reader.answers(task, outputs)
            return cls(task, answers, None if targets is None else reader.values(targets))
        return cls(task, probabilities(outputs, len(task.classes)), targets)

    @property
    def inner_steps(self) -> int:
        """Those that were taken."""
        return len(self.answers) - 1

    def predicted(self, step: int, query: int) -> Any:
        """The class's name, or the value or values, after `step` inner steps."""
        answer = self.answers[step, query]
        if self.task.classes is not None:
            return self.task.classes[int(answer.argmax())]
        return float(answer[0]) if len(answer) == 1 else [float(value) for value in answer]

    def target(self, query: int) -> Any:
        """The truth, in the same form; None where nobody knows it."""
        targets = self.targets
        if targets is None:
            return None
        if self.task.classes is not None:
            return self.task.classes[int(targets[query])]
        value = targets[query]
        return float(value[0]) if len(value) == 1 else [float(each) for each in value]

    def scores(self) -> dict[str, Array] | None:
        """Accuracy, or mean squared error, after each inner step: [inner_steps + 1]."""
        targets = self.targets
        if targets is None:
            return None
        if self.task.classes is not None:
            return {"accuracy": (self.answers.argmax(-1) == targets).mean(-1)}
        return {"mse": np.square(np.subtract(self.answers, targets)).mean((-1, -2))}


def as_table(predictions: Sequence[Predictions], names: Sequence[str]) -> Any:
    """A pyarrow table, a row for each query in the order of the query set.

    Args:
      names: what each query is called.
    Returns:
      task (where there are several), query, target (where known), prediction; with classes also
      probability, classes and probabilities; by_inner_step: those, or the values, after each step.
    """
    import pyarrow as pa

    rows: list[dict[str, Any]] = [{}] * len(names)
    for one in predictions:
        for query, row in enumerate(one.task.rows):
            rows[row] = _row(one, query, names[row])
    known = any(row["target"] is not None for row in rows)
    dropped = {"task"} if len(predictions) == 1 else set()
    dropped |= set() if known else {"target"}
    kept = [{key: _text(value) for key, value in row.items() if key not in dropped} for row in rows]
    return pa.Table.from_pylist(kept)


def _text(value: Any) -> Any:
    """A file's name may be no text, as Arrow's columns are."""
    if isinstance(value, list):
        return [_text(each) for each in value]
    return as_text(value) if isinstance(value, str) else value


def _row(one: Predictions, query: int, name: str) -> dict[str, Any]:
    answer = one.answers[-1, query]
    row: dict[str, Any] = {
        "task": one.task.name,
        "query": name,
        "target": one.target(query),
        "prediction": one.predicted(-1, query),
    }
    by_step = one.answers[:, query]
    if one.task.classes is None:
        by_value = by_step[:, 0] if by_step.shape[1] == 1 else by_step
        return {**row, "by_inner_step": by_value.tolist()}
    return {
        **row,
        "probability": float(answer.max()),
        "classes": one.task.classes,
        "probabilities": answer.tolist(),
        "by_inner_step": by_step.tolist(),
    }


def summary(predictions: Sequence[Predictions]) -> dict[str, list[tuple[float, float | None]]]:
    """Mean over tasks of each score after each inner step, with its 95 % interval.

    Returns:
      {} where no truth is known. The interval is 1.96 standard errors over tasks; None for one.
    """
    scored = [scores for one in predictions if (scores := one.scores()) is not None]
    if not scored:
        return {}
    found: dict[str, list[tuple[float, float | None]]] = {}
    for name in scored[0]:
        values = np.stack([scores[name] for scores in scored])
        means = values.mean(0)
        if len(values) == 1:
            found[name] = [(float(mean), None) for mean in means]
        else:
            errors = 1.96 * values.std(0, ddof=1) / np.sqrt(len(values))
            found[name] = [(float(m), float(e)) for m, e in zip(means, errors, strict=True)]
    return found
