"""A user's tasks: from examples to tasks, and from tasks to blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.adaptation.readers.reader import Examples
from orchestrator.adaptation.user_targets import as_indices, classes_of
from workers.inner.batches import draw_batches
from workers.losses.registry import loss_of
from workers.settings.user_task_shapes import UserTaskShapes
from workers.wire.protocol import Array, Block, Draw, Kind, Recipe, Specs

if TYPE_CHECKING:
    from orchestrator.adaptation.run_facts import RunFacts
    from orchestrator.config.schema import MetaConfig


@dataclass(frozen=True, slots=True)
class UserTask:
    """A support set to adapt to, and queries.

    name: "" if there is only one task.
    classes: the names that targets are indices of; None in regression.
    support_inputs: [n, *input_shape].
    support_targets: int32 [n], or float32 [n, num_outputs].
    query_inputs, query_targets: likewise; targets are None if unknown.
    rows: the places of its queries among those of all tasks.
    """

    name: str
    classes: list[str] | None
    support_inputs: Array
    support_targets: Array
    query_inputs: Array
    query_targets: Array | None
    rows: Array


def make_tasks(examples: UserTaskShapes, support: Examples, query: Examples) -> list[UserTask]:
    """Make the tasks, in the order of `support`.

    Raises:
      ValueError: a task has more or fewer classes than the model can have outputs, queries
        without a support set or no queries, or a query of a class without an example.
    """
    names = list(dict.fromkeys(support.tasks))
    for name in dict.fromkeys(query.tasks):
        if name not in names:
            raise ValueError(
                f"the query set has the task {name!r}, the support set has "
                f"{', '.join(map(repr, names))}; every task needs examples to adapt to"
            )
    return [_make_task(examples, name, support, query) for name in names]


def _make_task(examples: UserTaskShapes, name: str, support: Examples, query: Examples) -> UserTask:
    support_rows = [i for i, task in enumerate(support.tasks) if task == name]
    rows = np.array([i for i, task in enumerate(query.tasks) if task == name], np.int64)
    if not len(rows):
        raise ValueError(f"the task {name!r} of the support set has no query")
    classes = None
    support_targets, query_targets = support.targets, query.targets
    assert support_targets is not None
    if loss_of(examples).classifies:
        labels = [str(support_targets[i]) for i in support_rows]
        classes = classes_of(examples, labels, name)
        of_support = as_indices(labels, classes)
        of_query = None
        if query_targets is not None:
            of_query = _query_indices([str(query_targets[i]) for i in rows], classes, query, rows)
    else:
        of_support = np.asarray(support_targets)[support_rows]
        of_query = None if query_targets is None else np.asarray(query_targets)[rows]
    return UserTask(
        name=name,
        classes=classes,
        support_inputs=support.inputs[support_rows],
        support_targets=of_support,
        query_inputs=query.inputs[rows],
        query_targets=of_query,
        rows=rows,
    )


def _query_indices(
    labels: Sequence[str], classes: list[str], query: Examples, rows: Array
) -> Array:
    for label, row in zip(labels, rows, strict=True):
        if label not in classes:
            raise ValueError(
                f"{query.names[row]} of the query set is of class {label!r}, which has no example "
                f"in the support set; it has {', '.join(classes)} (queries without classes are "
                "predicted too)"
            )
    return as_indices(labels, classes)


def few_queries_warning(source: "RunFacts", num_queries: int) -> str:
    """Return the warning for few queries that are normalized together; else ""."""
    few = num_queries < source.examples.num_outputs
    if not (few and source.protocol.get("transductive")):
        return ""
    return (
        "with --statistics batch the model normalizes all queries together, as in training, where "
        f"each class has its share; {num_queries} of {source.examples.num_outputs} classes are too "
        "few: pass all queries together, or omit --statistics"
    )


def blocks_of(
    config: "MetaConfig", tasks: Sequence[UserTask], recipe: Recipe, kind: Kind, block_size: int
) -> tuple[list[Block], list[int]]:
    """Group tasks of equal shape into blocks.

    Returns:
      the blocks, and the places of their tasks in `tasks`, in the blocks' order.
    """
    shapes: dict[tuple[int, int, Recipe], list[int]] = {}
    for place, task in enumerate(tasks):
        own = recipe_for(config, task, recipe)
        key = len(task.support_inputs), len(task.query_inputs), own
        shapes.setdefault(key, []).append(place)
    blocks, order = list[Block](), list[int]()
    for (_, _, own), places in shapes.items():
        for group in _chunks(places, block_size):
            specs = specs_of(config, [tasks[place] for place in group], own)
            lo = len(order)
            order += group
            blocks.append(Block(kind, 0, len(blocks), lo, len(order), specs, own))
    return blocks, order


def recipe_for(config: "MetaConfig", task: UserTask, recipe: Recipe) -> Recipe:
    """Return the recipe of a task, with as many outputs as it has classes if a head has any."""
    return replace(recipe, ways=ways_of(config, task))


def ways_of(config: "MetaConfig", task: UserTask) -> int | None:
    """Return the number of a task's classes, if its head is computed for them; else None."""
    computed = config.algorithm.computes_head and task.classes is not None
    return len(task.classes or ()) if computed else None


def specs_of(config: "MetaConfig", tasks: Sequence[UserTask], recipe: Recipe) -> Specs:
    """Make the specs that `UserTaskFamily` builds an episode from.

    Inner batches and seeds are as in evaluation.
    """
    draw = Draw(config.evaluation.seed, "test", 0)
    specs: dict[str, Array] = {
        "support_inputs": np.stack([task.support_inputs for task in tasks]),
        "support_targets": np.stack([task.support_targets for task in tasks]),
        "query_inputs": np.stack([task.query_inputs for task in tasks]),
        "query_targets": np.stack([_targets(task) for task in tasks]),
    }
    batch, num_examples = config.evaluation.inner_batch, specs["support_inputs"].shape[1]
    if batch is not None:
        # The same for each task, so that a task does not depend on the others.
        batches = draw_batches(draw, 0, 1, num_examples, recipe.inner_steps, batch)
        specs["batches"] = np.repeat(batches, len(tasks), axis=0)
    if config.model.is_users:
        seed = draw.generator(stream="layers").integers(2**31 - 1, size=(1, 2), dtype=np.int32)
        specs["seeds"] = np.repeat(seed, len(tasks), axis=0)
    return specs


def _targets(task: UserTask) -> Array:
    """Return the targets of the queries, zeros if unknown; of one type, for which graphs are made.

    A reader may keep them as the user gave them, in float64, until they are scored.
    """
    if task.query_targets is not None:
        return task.query_targets.astype(task.support_targets.dtype)
    shape = (len(task.query_inputs), *task.support_targets.shape[1:])
    return np.zeros(shape, task.support_targets.dtype)


def _chunks(places: Sequence[int], size: int) -> Iterator[list[int]]:
    for lo in range(0, len(places), size):
        yield list(places[lo : lo + size])
