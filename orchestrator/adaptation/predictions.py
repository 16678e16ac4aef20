"""Predictions of adapted models, as a table, with scores if the true answers are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.adaptation.answers import answers_of
from orchestrator.adaptation.readers.reader import Reader
from orchestrator.adaptation.scores import scores_of
from orchestrator.adaptation.sureness import Sureness
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.text.json_text import as_text
from workers.losses.scoring import Scorer, Scores
from workers.wire.protocol import Array


@dataclass(frozen=True, slots=True)
class Predictions:
    """The predictions for one task, before and after each inner step.

    task: with its queries.
    answers: probabilities [inner_steps + 1, queries, classes or labels], or values [.., numbers].
    targets: of the queries, class indices or values; None if unknown.
    deviations: standard deviations of values, like `answers`; None if the loss predicts none.
    outputs: outputs after the last step, for a loss of the user's own with several for a number.
    has_labels: whether answers are of labels, each of which is there or not.
    sureness: sets or intervals and unknown, after the last step; None if the run has none.
    likeness: the task's p-value among the run's validation tasks; None if unknown.
    scores: the run's loss and metrics after each inner step, float64 [inner_steps + 1]; None if the
      true answers are unknown. See `scores_of`.
    """

    task: UserTask
    answers: Array
    targets: Array | None
    deviations: Array | None = None
    outputs: Array | None = None
    has_labels: bool = False
    scores: Scores | None = None
    sureness: Sureness | None = None
    likeness: float | None = None

    @classmethod
    def of(
        cls,
        task: UserTask,
        outputs: Array,
        reader: Reader,
        scorer: Scorer,
        sure: Callable[[UserTask, Array], Sureness] | None = None,
    ) -> "Predictions":
        """Build predictions from the model's outputs.

        Args:
          outputs: as the loss takes them, [inner_steps + 1, queries, outputs].
          reader: converts values to the user's units.
          scorer: of the run's loss.
          sure: tells of a task and its last outputs how sure they are; None: nobody can.
        Raises:
          ValueError: a metric of the user's own raises.
        """
        targets, loss = task.query_targets, scorer.loss
        if task.classes is None and targets is not None:
            targets = reader.values(targets)
        values, deviations = answers_of(loss, reader, task, outputs)
        several = loss.is_users and loss.outputs_per_target > 1
        own = outputs[-1] if several else None
        scores = scores_of(scorer, reader, task, outputs, values)
        has_labels, sureness = loss.targets == "labels", sure(task, outputs[-1]) if sure else None
        return cls(task, values, targets, deviations, own, has_labels, scores, sureness)

    @property
    def inner_steps(self) -> int:
        """The number of inner steps."""
        return len(self.answers) - 1

    def predicted(self, step: int, query: int) -> Any:
        """Return the class's name, each label's 0 or 1, or the values, after `step` inner steps."""
        answer = self.answers[step, query]
        if self.task.classes is not None:
            return self.task.classes[int(answer.argmax())]
        if self.has_labels:
            return [int(value > 0.5) for value in answer]
        return _plain(answer)

    def class_set(self, query: int) -> list[str] | None:
        """Return the classes that a query's set holds; None if there are no sets."""
        classes = self.task.classes
        if self.sureness is None or self.sureness.sets is None or classes is None:
            return None
        held = self.sureness.sets[query]
        return [name for name, is_held in zip(classes, held, strict=True) if is_held]

    def interval(self, query: int) -> Any:
        """Return the ends of a query's interval, of several numbers a list; None: there is none."""
        if self.sureness is None or self.sureness.intervals is None:
            return None
        ends = self.sureness.intervals[query].tolist()
        return ends[0] if len(ends) == 1 else ends

    def unknown(self, query: int) -> bool | None:
        """Return whether a query's prediction is too unsure; None if nobody can say."""
        if self.sureness is None or self.sureness.unknown is None:
            return None
        return bool(self.sureness.unknown[query])

    def target(self, query: int) -> Any:
        """Return the true answer in the same form; None if unknown."""
        targets = self.targets
        if targets is None:
            return None
        if self.task.classes is not None:
            return self.task.classes[int(targets[query])]
        if self.has_labels:
            return [int(value) for value in targets[query]]
        return _plain(targets[query])


def _plain(values: Array) -> Any:
    """Return a single value as a number, several as a list."""
    return float(values[0]) if len(values) == 1 else [float(value) for value in values]


def as_table(predictions: Sequence[Predictions], names: Sequence[str]) -> Any:
    """Make a pyarrow table of `as_rows`."""
    import pyarrow as pa

    return pa.Table.from_pylist(as_rows(predictions, names))


def as_rows(predictions: Sequence[Predictions], names: Sequence[str]) -> list[dict[str, Any]]:
    """Make a row for each query in the order of the query set.

    Args:
      names: of the queries.
    Returns:
      Keys task (if there are several), query, target (if known), prediction; with classes also
      probability, classes and probabilities; with labels also probabilities; with a loss that
      predicts them deviation; by_inner_step: the probabilities, or the values, after each step; if
      predictions are calibrated set or interval, and unknown.
    """
    rows: list[dict[str, Any]] = [{}] * len(names)
    for of_task in predictions:
        for query, row in enumerate(of_task.task.rows):
            rows[row] = _row(of_task, query, names[row]) | _sureness(of_task, query)
    has_targets = any(row["target"] is not None for row in rows)
    dropped = {"task"} if len(predictions) == 1 else set()
    dropped |= set() if has_targets else {"target"}
    return [{key: _text(value) for key, value in row.items() if key not in dropped} for row in rows]


def _text(value: Any) -> Any:
    """Convert strings to valid text for Arrow: a file's name may not be valid Unicode."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    return as_text(value) if isinstance(value, str) else value


def _sureness(predictions: Predictions, query: int) -> dict[str, Any]:
    columns = {
        "set": predictions.class_set(query),
        "interval": predictions.interval(query),
        "unknown": predictions.unknown(query),
    }
    return {name: value for name, value in columns.items() if value is not None}


def _row(predictions: Predictions, query: int, name: str) -> dict[str, Any]:
    answer = predictions.answers[-1, query]
    row: dict[str, Any] = {
        "task": predictions.task.name,
        "query": name,
        "target": predictions.target(query),
        "prediction": predictions.predicted(-1, query),
    }
    by_step = predictions.answers[:, query]
    if predictions.has_labels:
        return {**row, "probabilities": answer.tolist(), "by_inner_step": by_step.tolist()}
    if predictions.task.classes is None:
        if predictions.deviations is not None:
            row["deviation"] = _plain(predictions.deviations[-1, query])
        if predictions.outputs is not None:
            row["outputs"] = predictions.outputs[query].tolist()
        by_value = by_step[:, 0] if by_step.shape[1] == 1 else by_step
        return {**row, "by_inner_step": by_value.tolist()}
    return {
        **row,
        "probability": float(answer.max()),
        "classes": predictions.task.classes,
        "probabilities": answer.tolist(),
        "by_inner_step": by_step.tolist(),
    }


def summary(predictions: Sequence[Predictions]) -> dict[str, list[tuple[float, float | None]]]:
    """Average each score over tasks, after each inner step, with its 95 % interval.

    Returns:
      score -> (mean, interval) after each step; {} if no true answer is known. The interval is 1.96
      standard errors over tasks; None for a single task.
    """
    scored = [of_task.scores for of_task in predictions if of_task.scores is not None]
    if not scored:
        return {}
    intervals: dict[str, list[tuple[float, float | None]]] = {}
    for name in scored[0]:
        values = np.stack([scores[name] for scores in scored])
        means = values.mean(0)
        if len(values) == 1:
            intervals[name] = [(float(mean), None) for mean in means]
        else:
            errors = 1.96 * values.std(0, ddof=1) / np.sqrt(len(values))
            intervals[name] = [(float(m), float(e)) for m, e in zip(means, errors, strict=True)]
    return intervals
