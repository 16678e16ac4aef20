"""Scores of predictions for a user's own queries whose true answers are known."""

import numpy as np

from orchestrator.adaptation.readers.reader import Reader
from orchestrator.adaptation.user_tasks import UserTask
from workers.losses.scoring import Scorer, Scores
from workers.wire.protocol import Array

#: The squared error in the user's units. Other scores are in units of the model.
SQUARED_ERROR = "mse"


def scores_of(
    scorer: Scorer, reader: Reader, task: UserTask, outputs: Array, values: Array
) -> Scores | None:
    """Score predictions by the run's own loss and metrics.

    Args:
      scorer: of the run's loss.
      outputs: as the loss takes them, [steps, queries, outputs].
      values: what they answer in the user's units, see `answers_of`.
    Returns:
      name -> float64 [steps], the metric that decides first; "mse" too where the loss measures a
      squared error; None if the true answers are unknown.
    Raises:
      ValueError: a function of the user's own raises.
    """
    targets = reader.scored(task)
    if targets is None:
        return None
    num_classes = None if task.classes is None else len(task.classes)
    scores, loss = scorer.score(outputs, targets, num_classes), scorer.loss
    if loss.squared_error and SQUARED_ERROR not in loss.settings.metrics:
        assert task.query_targets is not None
        wanted = reader.values(task.query_targets)
        scores[SQUARED_ERROR] = np.square(np.subtract(values, wanted)).mean((-1, -2))
    return scores
