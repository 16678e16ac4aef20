"""A part of a graph as a function of its own, which TensorFlow calls and optimizes by itself."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


class SeparateCall:
    """A function of nested tensors that is traced once, and called without being inlined.

    In the body of a loop whose tensors take more than 200 MB, TensorFlow's memory optimizer makes
    temporary variables of sums, and those of the last iteration are never destroyed: the second
    run of such a graph fails with AlreadyExistsError. It leaves alone what is called.

    No tape that is open outside records what is inside.

    outputs: specs of what the function returns, nested.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any):
        """Trace `function`. arguments: tensors like those of later calls, or their specs."""
        attributes = {"_noinline": True}
        self._traced = tf.function(
            function, autograph=False, experimental_attributes=attributes
        ).get_concrete_function(*arguments)
        self.outputs = self._traced.structured_outputs

    def __call__(self, *arguments: Any) -> Any:
        """Call it, from the graph in which it was traced or from one within."""
        specs = tf.nest.flatten(self.outputs)
        outputs = tf.raw_ops.StatefulPartitionedCall(
            args=[*tf.nest.flatten(arguments), *self._traced.captured_inputs],
            Tout=[spec.dtype for spec in specs],
            f=self._traced,
        )
        for output, spec in zip(outputs, specs, strict=True):
            output.set_shape(spec.shape)
        return tf.nest.pack_sequence_as(self.outputs, outputs)


def call_separately(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return `function(*arguments)`, computed in a `SeparateCall`."""
    return SeparateCall(function, *arguments)(*arguments)
