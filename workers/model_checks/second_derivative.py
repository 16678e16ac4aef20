"""A check for layers whose second derivative is missing or wrong, before MAML trains on it.

An operation may have a second derivative that is silently wrong, as `tf.nn.moments` does. So each
one is compared with finite differences of the first derivative, in float64 (hessian.py). A layer is
right if it is right at one of three points, wrong if it is wrong at most of them, else unknown.

A graph of right layers is right. Anything else that calls layers, such as a subclassed model, is
also compared as a whole, first: most are right, and then their layers are too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from workers.execution.exact_derivatives import exact_derivatives
from workers.model_checks.alike import affordable, first_of_each, is_graph
from workers.model_checks.as_compiled import faults_as_compiled
from workers.model_checks.hessian import LayerCall, Outcome, compare, record_calls
from workers.model_checks.in_float64 import in_float64
from workers.model_checks.random_inputs import random_inputs
from workers.model_checks.slope import error_of_first
from workers.models.exact_normalization import exact_normalization
from workers.models.keras_defaults import keras_defaults

_POINTS, _EXAMPLES = 3, 3
#: Errors of TensorFlow and Keras in a layer that computes in float32 alone.
_NOT_IN_FLOAT64 = (TypeError, ValueError, tf.errors.OpError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of the check: the innermost layer at fault, and the layers left unchecked.

    layer: None if no layer is at fault.
    reason: why that layer is at fault.
    unchecked: classes that do not compute in float64, or cannot be compiled by themselves.
    unknown: classes whose curvature is too high for finite differences, without a wrong layer.
    too_large: classes with layers that would take too long.
    """

    layer: Any = None
    reason: str = ""
    unchecked: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    too_large: list[str] = field(default_factory=list)


@keras_defaults()
def check_second_derivative(
    model: keras.Model,
    input_shape: tuple[int, ...],
    batch_statistics: bool,
    num_tokens: int | None = None,
    execution: tuple[str, bool] = ("map", False),
) -> Verdict:
    """Check the second derivative of each layer of `model`, and both as they are compiled.

    Args:
      input_shape: of one example.
      batch_statistics: of `exact_normalization`, within which the layers are called.
      num_tokens: inputs are ids below it; None: they are floats.
      execution: of the run: "map" or "vectorized", and whether XLA compiles.
    """
    inputs = random_inputs(input_shape, num_tokens, _EXAMPLES)
    with exact_normalization(batch_statistics), exact_derivatives(xla=False):
        check = _Check(record_calls(model, inputs))
        with in_float64(model):
            for layer, reason in check.faults():
                return Verdict(layer, reason)
        faults, unchecked = faults_as_compiled(model, check.remaining(set()), execution)
        check.unchecked |= unchecked
        for layer, reason in faults:
            return Verdict(layer, reason)
    return Verdict(None, "", *map(sorted, (check.unchecked, check.unknown, check.too_large)))


@dataclass(frozen=True, slots=True)
class Survey:
    """The result of a full check.

    faults: all layers at fault, each with the reason.
    unchecked, unknown, too_large: as in `Verdict`.
    num_layers: number of innermost layers that were checked.
    """

    faults: list[tuple[Any, str]]
    unchecked: list[str]
    unknown: list[str]
    too_large: list[str]
    num_layers: int


@keras_defaults()
def survey_second_derivatives(
    model: keras.Model,
    input_shape: tuple[int, ...],
    batch_statistics: bool,
    num_tokens: int | None = None,
    execution: tuple[str, bool] = ("map", False),
) -> Survey:
    """Check as `check_second_derivative` does, but find every fault."""
    inputs = random_inputs(input_shape, num_tokens, _EXAMPLES)
    with exact_normalization(batch_statistics), exact_derivatives(xla=False):
        check = _Check(record_calls(model, inputs))
        with in_float64(model):
            faults = list(check.faults())
        at_fault = {id(layer) for layer, _ in faults}
        compiled, not_compiled = faults_as_compiled(model, check.remaining(at_fault), execution)
        faults, check.unchecked = faults + compiled, check.unchecked | not_compiled
    num_layers = sum(isinstance(layer, keras.layers.Layer) for layer in check.innermost())
    unchecked, unknown, too_large = map(sorted, (check.unchecked, check.unknown, check.too_large))
    return Survey(faults, unchecked, unknown, too_large, num_layers)


class _Check:
    """A check of the calls of a model, which records what cannot be compared.

    unchecked, unknown, too_large: as in `Verdict`, after `faults` is exhausted.
    """

    def __init__(self, calls: Sequence[LayerCall]):
        self._calls = calls
        self.unchecked, self.unknown, self.too_large = set[str](), set[str](), set[str]()

    def faults(self) -> Iterator[tuple[Any, str]]:
        """Yield the innermost layers at fault, each with the reason."""
        whole = self._calls[-1]
        if not is_graph(whole.layer) and self._judge(whole)[0] == "right":
            return
        self.unchecked.clear()
        self.unknown.clear()
        wrong = set[int]()
        matter = [call for call in self._calls if call.matters and not is_graph(call.layer)]
        checked, others = affordable(first_of_each(matter))
        self.too_large = {type(call.layer).__name__ for call in others}
        for call in checked:
            if wrong & {id(x) for x in [call.layer, *call.inner_layers]}:
                continue
            verdict, reason = self._judge(call)
            if verdict == "wrong":
                wrong.add(id(call.layer))
                yield call.layer, reason

    def innermost(self) -> list[Any]:
        """List the layers and operations that hold no other, and that gradients pass through."""
        return [call.layer for call in self._leaves()]

    def remaining(self, at_fault: set[int]) -> list[LayerCall]:
        """List a call of each layer that was found right, inner ones first, if there is time.

        A layer that calls others is among them unless that is all it does: it may compute, too.

        Args:
          at_fault: ids of layers to leave out, with those that hold them.
        """
        calls = [
            call
            for call in self._calls
            if call.matters
            and not is_graph(call.layer)
            and not at_fault & {id(layer) for layer in [call.layer, *call.inner_layers]}
            and type(call.layer).__name__ not in self.unchecked
        ]
        return affordable(first_of_each(calls))[0]

    def _leaves(self) -> list[LayerCall]:
        calls = [call for call in self._calls if call.matters and not call.inner_layers]
        return list({id(call.layer): call for call in calls}.values())

    def _judge(self, call: LayerCall) -> tuple[Outcome, str]:
        name = type(call.layer).__name__
        try:
            verdict, reason = _judge(call)
        except _NOT_IN_FLOAT64:
            if not call.inner_layers or (call is self._calls[-1] and not self.unchecked):
                self.unchecked.add(name)
            return "unknown", ""
        if verdict == "unknown":
            self.unknown.add(name)
        return verdict, reason


def _judge(call: LayerCall) -> tuple[Outcome, str]:
    """Decide whether a layer can be differentiated twice where it is called; if not, say why."""
    outcomes = list[Outcome]()
    errors, of_first = list[float](), list[float]()
    for seed in range(_POINTS):
        try:
            verdict, error = compare(call, seed)
        except LookupError as missing:
            return "wrong", f"no second derivative ({str(missing).splitlines()[0]})"
        if verdict == "right":
            if not (error := error_of_first(call, seed)):
                return "right", ""
            of_first.append(error)
        outcomes.append(verdict)
        errors.append(error)
    if len(of_first) > _POINTS // 2:
        return "wrong", f"a wrong first derivative, off by {100 * min(of_first):.3g} %"
    if outcomes.count("wrong") <= _POINTS // 2:
        return "unknown", ""
    return "wrong", f"a missing or wrong second derivative, off by {100 * min(errors):.3g} %"
