"""A part of a graph as a function of its own, which TensorFlow calls and optimizes by itself."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def call_separately(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return `function(*arguments)`, nested tensors, computed in a call that is not inlined.

    In the body of a loop whose tensors take more than 200 MB, TensorFlow's memory optimizer makes
    temporary variables of sums, and those of the last iteration are never destroyed: the second
    run of such a graph fails with AlreadyExistsError. It leaves alone what is called.

    No tape that is open outside records what is inside.
    """
    attributes = {"_noinline": True}
    traced = tf.function(
        function, autograph=False, experimental_attributes=attributes
    ).get_concrete_function(*arguments)
    specs = tf.nest.flatten(traced.structured_outputs)
    outputs = tf.raw_ops.StatefulPartitionedCall(
        args=[*tf.nest.flatten(arguments), *traced.captured_inputs],
        Tout=[spec.dtype for spec in specs],
        f=traced,
    )
    for output, spec in zip(outputs, specs, strict=True):
        output.set_shape(spec.shape)
    return tf.nest.pack_sequence_as(traced.structured_outputs, outputs)
