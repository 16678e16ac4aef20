"""Graphs that are traced once for each signature, and called with little overhead."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, NamedTuple

import optree
import tensorflow as tf

from workers.execution.exact_derivatives import exact_derivatives


class _Traced(NamedTuple):
    function: Any
    captured: list[tf.Tensor]
    structure: Any
    form: optree.PyTreeSpec

    def call(self, *arguments: Any) -> Any:
        outputs = self.function.call_flat(*tf.nest.flatten(arguments), *self.captured)
        return self.form.unflatten(outputs)  # tf.nest takes five times as long


class Compiled:
    """A graph as a function of nested tensors. Any thread may call it: each graph is traced once.

    To call a traced graph, tf.function inspects the arguments for 0.2 ms, a third of a step of a
    small network. Here the caller passes the signature instead.
    """

    def __init__(self, graph: Callable[..., Any], xla: bool = False):
        """Trace nothing yet. xla: whether to compile with XLA."""
        self._function, self._xla = tf.function(graph, autograph=False), xla
        self._traced: dict[Hashable, _Traced] = {}
        self._tracing = Lock()

    def __call__(self, signature: Hashable, *arguments: Any) -> Any:
        """Run the graph.

        Args:
          signature: equal for two calls if and only if all shapes and types of `arguments` are.
          arguments: nested tensors.
        """
        return self._of(signature, arguments).call(*arguments)

    def traced(self, signature: Hashable, *arguments: Any) -> tuple[Callable[..., Any], Any]:
        """Return the traced graph as a function, for use in another graph, and its outputs' form.

        Args:
          signature, arguments: as in a call, which has the same graph.
        """
        traced = self._of(signature, arguments)
        return traced.call, traced.structure

    def _of(self, signature: Hashable, arguments: Any) -> _Traced:
        if signature not in self._traced:
            with self._tracing:
                if signature not in self._traced:
                    self._traced[signature] = self._trace(arguments)
        return self._traced[signature]

    def _trace(self, arguments: Any) -> _Traced:
        with exact_derivatives(self._xla):
            traced = self._function.get_concrete_function(*arguments)
        if self._xla:
            # Compiled as a whole, not while it is traced: there a vectorized map becomes a function
            # of its own, and the gradient of its call makes XLA compile again for every theta.
            traced = tf.function(traced, jit_compile=True).get_concrete_function(*arguments)
        captured = list(traced.captured_inputs)
        structure = traced.structured_outputs
        return _Traced(traced.inference_fn, captured, structure, optree.tree_structure(structure))
