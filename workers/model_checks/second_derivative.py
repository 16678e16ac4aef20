"""Finds layers whose second derivative is missing or wrong, before MAML trains on it.

That an operation has a second derivative proves nothing: `tf.nn.moments` has a wrong one, silently.
So each is compared with finite differences of the first one, in float64 (hessian.py). Layers are
right if they are at one of three points, wrong if they are at most of them, and else not known.

A graph of layers that are right is right. What else calls layers in a way of its own, such as a
subclassed model, is compared as a whole too, first: most are right, and then so are their layers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.model_checks.alike import affordable, first_of_each, is_graph
from workers.model_checks.hessian import LayerCall, Outcome, compare, derivatives, record_calls
from workers.model_checks.in_float64 import in_float64
from workers.model_checks.random_inputs import random_inputs
from workers.models.exact_normalization import exact_normalization
from workers.models.keras_defaults import keras_defaults

_FLOAT32_BOUND, _POINTS, _EXAMPLES = 1e-3, 3, 3
#: What TensorFlow and Keras raise in a layer that computes in float32 alone.
_NOT_IN_FLOAT64 = (TypeError, ValueError, tf.errors.OpError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: the innermost layer at fault and why, and the layers not looked at.

    layer: None if no layer is at fault. unchecked: classes that do not compute in float64.
    unknown: classes that bend too fast for finite differences, though no layer of theirs is wrong.
    too_large: classes of which some would take too long.
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
) -> Verdict:
    """Look at the second derivative of each layer of `model`.

    Args:
      input_shape: of one example. num_tokens: inputs are ids below it; None: they are floats.
      batch_statistics: as for `exact_normalization`, under which the layers are called.
    """
    inputs = random_inputs(input_shape, num_tokens, _EXAMPLES)
    with exact_normalization(batch_statistics):
        look = _Look(record_calls(model, inputs))
        with in_float64(model):
            for layer, reason in look.faults():
                return Verdict(layer, reason)
    return Verdict(None, "", *map(sorted, (look.unchecked, look.unknown, look.too_large)))


@dataclass(frozen=True, slots=True)
class Survey:
    """All that was found: layers at fault, each with its reason, and as in `Verdict`.

    num_layers: innermost layers that were looked at.
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
) -> Survey:
    """As `check_second_derivative`, but every layer at fault, and the float32 kernels too.

    A layer may compute in float32 by other operations than in float64, where finite differences
    have the digits: its second derivatives in both are compared.
    """
    inputs = random_inputs(input_shape, num_tokens, _EXAMPLES)
    with exact_normalization(batch_statistics):
        calls = record_calls(model, inputs)
        leaves = {id(call.layer): call for call in calls if call.matters and not call.inner_layers}
        look = _Look(calls)
        with in_float64(model):
            faults = list(look.faults())
        known = {id(layer) for layer, _ in faults}
        left = [
            call
            for key, call in leaves.items()
            if key not in known and type(call.layer).__name__ not in look.unchecked
        ]
        faults += _faults_of_float32(model, affordable(first_of_each(left))[0])
    num_layers = sum(isinstance(call.layer, keras.layers.Layer) for call in leaves.values())
    unchecked, unknown, too_large = map(sorted, (look.unchecked, look.unknown, look.too_large))
    return Survey(faults, unchecked, unknown, too_large, num_layers)


class _Look:
    """A look at the calls of a model, which notes what cannot be compared.

    unchecked, unknown, too_large: as in `Verdict`, once all faults were asked for.
    """

    def __init__(self, calls: Sequence[LayerCall]):
        self._calls = calls
        self.unchecked, self.unknown, self.too_large = set[str](), set[str](), set[str]()

    def faults(self) -> Iterator[tuple[Any, str]]:
        """The innermost layers at fault, and why."""
        whole = self._calls[-1]
        if not is_graph(whole.layer) and self._judge(whole)[0] == "right":
            return
        self.unchecked.clear()
        self.unknown.clear()
        wrong = set[int]()
        matter = [call for call in self._calls if call.matters and not is_graph(call.layer)]
        looked_at, others = affordable(first_of_each(matter))
        self.too_large = {type(call.layer).__name__ for call in others}
        for call in looked_at:
            if wrong & {id(x) for x in [call.layer, *call.inner_layers]}:
                continue
            verdict, reason = self._judge(call)
            if verdict == "wrong":
                wrong.add(id(call.layer))
                yield call.layer, reason

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
    """Whether a layer can be differentiated twice where it is called; why not."""
    found = list[Outcome]()
    off = list[float]()
    for seed in range(_POINTS):
        try:
            verdict, error = compare(call, seed)
        except LookupError as missing:
            return "wrong", f"no second derivative ({str(missing).splitlines()[0]})"
        if verdict == "right":
            return "right", ""
        found.append(verdict)
        off.append(error)
    if found.count("wrong") <= _POINTS // 2:
        return "unknown", ""
    return "wrong", f"a missing or wrong second derivative, off by {100 * min(off):.3g} %"


def _faults_of_float32(model: keras.Model, calls: Sequence[LayerCall]) -> list[tuple[Any, str]]:
    """Those of `calls` whose second derivative in float32 is not that in float64, and why.

    Where the first ones differ the layer does something else, as dropout does, which draws other
    numbers: then nothing is known.
    """
    left = [(call, list[float]()) for call in calls]
    for seed in range(_POINTS):
        with in_float64(model):
            exact = [derivatives(call, seed, tf.float64) for call, _ in left]
        for (call, off), expected in zip(left, exact, strict=True):
            ours = derivatives(call, seed, tf.float32)
            if _difference(ours.first, expected.first) < _FLOAT32_BOUND:
                off.append(_difference(ours.second, expected.second))
        left = [each for each in left if min(each[1], default=np.inf) >= _FLOAT32_BOUND]
    return [
        (call.layer, f"a wrong second derivative in float32, off by {100 * min(off):.3g} %")
        for call, off in left
        if off
    ]


def _difference(ours: NDArray[np.float64], exact: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(ours - exact)) / max(float(np.linalg.norm(exact)), 1e-3)
