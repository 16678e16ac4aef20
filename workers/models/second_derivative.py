"""Finds layers whose second derivative is missing or wrong, before MAML trains on it.

That an operation has a second derivative proves nothing: `tf.nn.moments` has a wrong one, silently.
So each is compared with finite differences of the first one, in float64 (hessian.py). A layer
counts as wrong if it is wrong at each of three points.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.models.exact_normalization import exact_normalization
from workers.models.hessian import Derivatives, LayerCall, derivatives, record_calls, relative_error
from workers.models.in_float64 import in_float64
from workers.models.keras_defaults import keras_defaults
from workers.models.random_inputs import random_inputs

_BOUND, _FLOAT32_BOUND, _POINTS, _EXAMPLES = 1e-4, 1e-3, 3, 3
#: What TensorFlow and Keras raise in a layer that computes in float32 alone.
_NOT_IN_FLOAT64 = (TypeError, ValueError, tf.errors.OpError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: the innermost layer at fault and why, and the layers not looked at.

    layer: None if no layer is at fault. unchecked: classes that do not compute in float64.
    """

    layer: Any = None
    reason: str = ""
    unchecked: list[str] = field(default_factory=list)


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
        calls = record_calls(model, inputs)
        unchecked = list[str]()
        with in_float64(model):
            if _is_right(calls[-1]):  # the whole model first: most are
                return Verdict()
            for layer, reason in _faults(calls, unchecked):
                return Verdict(layer, reason)
    return Verdict(unchecked=sorted(set(unchecked)))


@dataclass(frozen=True, slots=True)
class Survey:
    """All that was found: layers at fault, each with its reason, and as in `Verdict`.

    num_layers: innermost layers that were looked at.
    """

    faults: list[tuple[Any, str]]
    unchecked: list[str]
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
    unchecked = list[str]()
    with exact_normalization(batch_statistics):
        calls = record_calls(model, inputs)
        leaves = {id(call.layer): call for call in calls if call.matters and not call.inner_layers}
        with in_float64(model):
            whole = _is_right(calls[-1])
            faults = [] if whole else list(_faults(calls, unchecked))
            known = {id(layer) for layer, _ in faults}
            exact = {
                key: [derivatives(call, seed, tf.float64) for seed in range(_POINTS)]
                for key, call in leaves.items()
                if key not in known and type(call.layer).__name__ not in unchecked
            }
        for key, expected in exact.items():
            layer = leaves[key].layer
            if reason := _what_float32_does_wrong(leaves[key], expected):
                faults.append((layer, reason))
    return Survey(faults, sorted(set(unchecked)), len(leaves))


def _faults(calls: Sequence[LayerCall], unchecked: list[str]) -> Iterator[tuple[Any, str]]:
    """The innermost layers at fault, and why; `unchecked` takes classes without float64."""
    wrong = set[int]()
    for call in calls:
        if wrong & {id(layer) for layer in [call.layer, *call.inner_layers]}:
            continue
        try:
            reason = _what_is_wrong(call)
        except _NOT_IN_FLOAT64:
            if not call.layer._layers or (call is calls[-1] and not unchecked):
                unchecked.append(type(call.layer).__name__)
            continue
        if reason:
            wrong.add(id(call.layer))
            yield call.layer, reason


def _is_right(call: LayerCall) -> bool:
    try:
        return not _what_is_wrong(call)
    except _NOT_IN_FLOAT64:
        return False


def _what_is_wrong(call: LayerCall) -> str:
    """Why a layer cannot be differentiated twice where it is called; "" if it can."""
    if not call.matters:
        return ""
    try:
        off = min(relative_error(call, seed) for seed in range(_POINTS))
    except LookupError as missing:
        return f"no second derivative ({str(missing).splitlines()[0]})"
    if off < _BOUND:
        return ""
    return f"a missing or wrong second derivative, off by {100 * off:.3g} %"


def _what_float32_does_wrong(call: LayerCall, exact: Sequence[Derivatives]) -> str:
    """Why the second derivative in float32 is not that in float64; "" if it is.

    Where the first ones differ the layer does something else, as dropout does, which draws other
    numbers: then nothing is known.
    """
    off = list[float]()
    for seed, expected in enumerate(exact):
        ours = derivatives(call, seed, tf.float32)
        if _difference(ours.first, expected.first) < _FLOAT32_BOUND:
            off.append(_difference(ours.second, expected.second))
    if min(off, default=0.0) < _FLOAT32_BOUND:
        return ""
    return f"a wrong second derivative in float32, off by {100 * min(off):.3g} %"


def _difference(ours: NDArray[np.float64], exact: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(ours - exact)) / max(float(np.linalg.norm(exact)), 1e-3)
