"""Blocks of a user's tasks, run in this process: their results by task."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.predictions import Predictions
from orchestrator.adaptation.readers.reader import Reader
from orchestrator.adaptation.sureness import sure_or_none
from orchestrator.adaptation.user_tasks import UserTask, recipe_for, specs_of
from workers.losses.scoring import Scorer
from workers.tasks.family import TaskFamily, features_of
from workers.wire.protocol import Adapted, Array, Block, Episode, Kind, Recipe, Task

if TYPE_CHECKING:  # imports TensorFlow
    from workers.block import BlockRunner

#: A task's arrays, without a task axis.
TaskResult = dict[str, Array]


def run_block(
    runner: "BlockRunner", source: Artefact, kind: Kind, tasks: Sequence[UserTask], recipe: Recipe
) -> list[TaskResult]:
    """Run tasks of equal shapes as one block.

    Args:
      kind: see `Block.kind`.
      tasks: with supports and queries of equal shapes, and equally many classes where the head is
        computed for these.
    Returns:
      the result of each task: the same, bit for bit, whatever the other tasks are. Values that are
      not finite stay so.
    """
    own = recipe_for(source.config, tasks[0], recipe)
    block = Block(kind, 0, 0, 0, len(tasks), specs_of(source.config, tasks, own), own)
    metrics = runner.run(source.state.weights, block).metrics
    return [{name: values[i] for name, values in metrics.items()} for i in range(len(tasks))]


def is_finite(result: TaskResult) -> bool:
    """Tell whether the inner loop of a result's task stayed finite."""
    return all(bool(np.isfinite(values).all()) for values in result.values())


def predict_block(
    runner: "BlockRunner",
    source: Artefact,
    reader: Reader,
    scorer: Scorer,
    tasks: Sequence[UserTask],
    recipe: Recipe,
) -> list[Predictions | None]:
    """Adapt to tasks as one block, and predict, as `metatrain adapt` does.

    Args:
      reader: of the run's family. scorer: of its loss.
      tasks: of equal shapes, see `run_block`; not assembled yet.
    Returns:
      the predictions for each task, which do not depend on the others; None: it diverged.
    """
    tasks = [reader.assemble(task) for task in tasks]
    results = run_block(runner, source, "predict", tasks, recipe)
    sure = sure_or_none(source, reader, recipe)
    return [
        Predictions.of(task, result["outputs"], reader, scorer, sure) if is_finite(result) else None
        for task, result in zip(tasks, results, strict=True)
    ]


def answer(
    runner: "BlockRunner", family: TaskFamily, source: Artefact, adapted: Adapted, task: UserTask
) -> Array:
    """Compute the outputs for the queries of a task, [queries, ...], at adapted weights."""
    specs = specs_of(source.config, [task], Recipe(1.0, 1))
    seed = specs["seeds"][0] if "seeds" in specs else np.zeros(2, np.int32)
    support_x, support_y, query_x, query_y = (specs[name][0] for name in Episode._fields)
    support_x, query_x = features_of(family, support_x, query_x)
    no_batches = np.zeros((0, 0), np.int32)
    inputs = Task(support_x, support_y, query_x, query_y, no_batches, seed)
    return runner.held_out.answer(adapted, inputs)
