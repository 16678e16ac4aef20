"""What the outputs of an adapted model answer, in the user's units."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workers.losses.loss import Loss
from workers.wire.protocol import Array

if TYPE_CHECKING:
    from orchestrator.adaptation.readers.reader import Reader
    from orchestrator.adaptation.user_tasks import UserTask


class Answers(NamedTuple):
    """Answers to queries, by the last axis.

    values: probabilities of classes, or of labels; or predicted numbers.
    deviations: the standard deviation of each number; None if the loss predicts none.
    """

    values: Array
    deviations: Array | None = None


def answers_of(loss: Loss, reader: "Reader | None", task: "UserTask", outputs: Array) -> Answers:
    """Convert outputs [.., outputs] of a model that is adapted to `task`.

    Args:
      reader: converts numbers to the user's units; None: outputs are in these.
    """
    if task.classes is not None:
        return Answers(probabilities(outputs, len(task.classes)))
    predicted, deviations = loss.predicted(outputs), loss.deviations(outputs)
    if reader is None:
        return Answers(predicted, deviations)
    if deviations is None:
        return Answers(reader.answers(task, predicted))
    # Readers shift and scale: what a difference becomes is the difference of what both become.
    predicted = np.asarray(predicted, np.float64)
    center = reader.answers(task, predicted)
    higher = reader.answers(task, np.add(predicted, deviations))
    return Answers(center, np.subtract(higher, center))


def probabilities(logits: Array, num_classes: int) -> Array:
    """Compute softmax over the task's classes: float32 [..., num_classes]."""
    used = np.asarray(logits, np.float64)[..., :num_classes]
    exp = np.exp(used - used.max(-1, keepdims=True))
    return np.asarray(exp / exp.sum(-1, keepdims=True), np.float32)
