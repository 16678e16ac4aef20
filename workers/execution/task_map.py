"""The map of a function over the tasks of a block, inside a graph."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from workers.wire.protocol import Task


def sum_over(
    one: Callable[[Task], Any], tasks: Task, vectorized: bool, takes_blocks: bool = False
) -> Any:
    """Sum the results of `one` over tasks.

    Args:
      one: a function of a task without a task axis, to nested tensors.
      vectorized: run all tasks as one batch; else one after another, in order.
      takes_blocks: `one` takes tasks with a task axis, and returns sums over them.
    """
    if takes_blocks and vectorized:
        return one(tasks)
    if takes_blocks:
        return sum_over(lambda task: one(Task(*(array[None] for array in task))), tasks, False)
    if vectorized:
        by_task = tf.vectorized_map(one, tasks)
        return tf.nest.map_structure(lambda value: tf.reduce_sum(value, axis=0), by_task)
    # The first task is run before the loop, to know the names of the metrics.
    first = one(Task(*(array[0] for array in tasks)))
    if tasks.support_inputs.shape[0] == 1:  # XLA does not take a loop over nothing
        return first
    return tf.foldl(
        lambda total, task: tf.nest.map_structure(tf.add, total, one(task)),
        Task(*(array[1:] for array in tasks)),
        initializer=first,
        parallel_iterations=1,
    )


def map_over(one: Callable[[Any], Any], tasks: Any, vectorized: bool) -> Any:
    """Map `one` over tasks; see `sum_over`. The results have a task axis in front."""
    if vectorized:
        return tf.vectorized_map(one, tasks)
    first = one(tf.nest.map_structure(lambda array: array[0], tasks))
    signature = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), first)
    return tf.map_fn(one, tasks, fn_output_signature=signature, parallel_iterations=1)
