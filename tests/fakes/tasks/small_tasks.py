"""Single tasks as the graph of a block sees them."""

from typing import Any

import numpy as np
import tensorflow as tf

from workers.algorithms.algorithm import Start
from workers.wire.protocol import Array, Task, Vector, Weights

FRESH = Start(state=[], moments=[], outer_step=0)


def task(support: Any, query: Any, batches: Any = None) -> Task:
    """From (inputs, targets) pairs; batches [batches, examples], indices of support examples."""
    if batches is None:
        batches = np.zeros((0, 0), np.int32)
    return Task(*map(tf.constant, (*support, *query, batches, np.zeros(2, np.int32))))


def at(theta: Vector, carry: Array | None = None, step: int = 0) -> Weights:
    """What a block starts from; nothing is carried unless said so."""
    return Weights(theta, np.zeros(0, np.float32) if carry is None else carry, step)
