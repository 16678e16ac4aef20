"""Functions of a task, over the tasks of a block, inside a graph."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from workers.wire.protocol import Task


def sum_over(one: Callable[[Task], Any], tasks: Task, vectorized: bool) -> Any:
    """What `one` gives, summed over tasks.

    Args:
      vectorized: as one batch; else one task after another, in order.
    """
    if vectorized:
        each = tf.vectorized_map(one, tasks)
        return tf.nest.map_structure(lambda value: tf.reduce_sum(value, axis=0), each)
    # The first task is run ahead of the loop to learn what metrics there are.
    first = one(Task(*(array[0] for array in tasks)))
    if tasks.support_inputs.shape[0] == 1:  # XLA does not take a loop over nothing
        return first
    return tf.foldl(
        lambda total, task: tf.nest.map_structure(tf.add, total, one(task)),
        Task(*(array[1:] for array in tasks)),
        initializer=first,
        parallel_iterations=1,
    )
