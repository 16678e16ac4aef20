"""Right derivatives where TensorFlow's own are wrong or missing, and nothing says so.

TensorFlow's gradients are functions of its modules that call generated operations. Within
`exact_derivatives()` these calls come here; elsewhere they pass through, so that a user's other
code in the process is as it was:

- Max pooling under XLA: the operation that picks the winners' derivatives compares values after
  rounding them to bfloat16, so that it picks others where two differ by less than 0.4 %. Here the
  winners are compared as they are.
- Complex square root, its inverse, and the reciprocal (also of the logarithm and the angle, whose
  derivatives use it) under XLA: the kernels leave out a conjugate.
- Bilinear resizing, in all modes: its gradient counts as a constant. It is a linear function, whose
  transpose is the resizing itself.
- Fake quantization, in all modes: likewise. Its gradient passes what is inside the range, and adds
  what is outside to the gradient of the range's ends.

Each was compared with finite differences in float64 (tests/workers/execution).
"""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import array_ops, gen_image_ops, gen_math_ops, gen_nn_ops

_FAKE = "fake_quant_with_min_max"
_CHANNELS_LAST = ("NHWC", "NDHWC")
_LOCK = threading.Lock()
# None outside the context, else whether XLA compiles what is traced.
_XLA: ContextVar[bool | None] = ContextVar("xla", default=None)
_installed: list[str] = []


@contextmanager
def exact_derivatives(xla: bool) -> Iterator[None]:
    """Make the derivatives right that are taken within.

    Args:
      xla: whether XLA compiles them. Otherwise only resizing and quantization are replaced.
    """
    _install()
    token = _XLA.set(xla)
    try:
        yield
    finally:
        _XLA.reset(token)


def _install() -> None:
    with _LOCK:
        if _installed:
            return
        for module, name, ours, in_any_mode in (
            (gen_nn_ops, "max_pool_grad_grad", _winners_of, False),
            (gen_nn_ops, "max_pool_grad_grad_v2", _winners_of, False),
            (gen_nn_ops, "max_pool3d_grad_grad", _winners_of, False),
            (gen_math_ops, "sqrt_grad", _sqrt_grad, False),
            (gen_math_ops, "rsqrt_grad", _rsqrt_grad, False),
            (gen_math_ops, "reciprocal_grad", _reciprocal_grad, False),
            (gen_image_ops, "resize_bilinear_grad", _resize_bilinear_grad, True),
            (array_ops, f"{_FAKE}_args_gradient", _fake_quant_gradient, True),
            (array_ops, f"{_FAKE}_vars_gradient", _fake_quant_vars_gradient, True),
            (array_ops, f"{_FAKE}_vars_per_channel_gradient", _fake_quant_vars_gradient, True),
        ):
            own = getattr(module, name)
            setattr(module, name, _dispatched(own, ours, in_any_mode))
            _installed.append(name)


def _dispatched(
    own: Callable[..., Any], ours: Callable[..., Any], in_any_mode: bool
) -> Callable[..., Any]:
    """Make a function that calls TensorFlow's own or ours, by where it is called."""

    def call(*arguments: Any, **options: Any) -> Any:
        xla = _XLA.get()
        if xla or (in_any_mode and xla is not None):
            return ours(own, *arguments, **options)
        return own(*arguments, **options)

    return call


def _winners_of(
    own: Callable[..., Any],
    inputs: tf.Tensor,
    outputs: tf.Tensor,
    values: tf.Tensor,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: Any = "NHWC",
    name: str | None = None,
) -> tf.Tensor:
    """Take from `values`, [batch, ..., channels], that of the first largest input of each window.

    Args:
      inputs, outputs: of the pooling; `values` are as `inputs`.
    """
    sizes, steps = _constants(ksize), _constants(strides)
    lengths, extent = inputs.shape.as_list(), outputs.shape.as_list()
    rank, spatial = len(extent), range(1, len(extent) - 1)
    known = all(lengths[axis] and extent[axis] for axis in spatial)
    if _text(data_format) not in _CHANNELS_LAST or _text(padding) == "EXPLICIT" or not known:
        return own(inputs, outputs, values, ksize, strides, padding, data_format, name)
    if sizes[0] * sizes[-1] != 1:  # over channels
        return own(inputs, outputs, values, ksize, strides, padding, data_format, name)
    margins = [(0, 0)] * rank
    for axis in spatial:
        missing = max((extent[axis] - 1) * steps[axis] + sizes[axis] - lengths[axis], 0)
        margins[axis] = (missing // 2, missing - missing // 2)
    padded = tf.pad(inputs, margins, constant_values=inputs.dtype.min)
    padded_values = tf.pad(values, margins)
    taken, found = tf.zeros_like(outputs), tf.zeros_like(outputs, tf.bool)
    for place in itertools.product(*map(range, sizes)):  # the last axis fastest
        window = [slice(None)] * rank
        for axis in spatial:
            last = place[axis] + (extent[axis] - 1) * steps[axis]
            window[axis] = slice(place[axis], last + 1, steps[axis])
        wins = tf.equal(padded[tuple(window)], outputs) & ~found
        taken = tf.where(wins, padded_values[tuple(window)], taken)
        found |= wins
    return taken


def _constants(sizes: Any) -> list[int]:
    """Return the sizes or strides of a window, which are attributes or constant tensors."""
    return [int(size) for size in tf.get_static_value(tf.convert_to_tensor(sizes))]


def _text(attribute: Any) -> str:
    return attribute.decode() if isinstance(attribute, bytes) else str(attribute)


def _sqrt_grad(
    own: Callable[..., Any], y: tf.Tensor, upstream: tf.Tensor, name: str | None = None
) -> tf.Tensor:
    if not y.dtype.is_complex:
        return own(y, upstream, name)
    return upstream * tf.math.conj(tf.constant(0.5, y.dtype) / y)


def _rsqrt_grad(
    own: Callable[..., Any], y: tf.Tensor, upstream: tf.Tensor, name: str | None = None
) -> tf.Tensor:
    if not y.dtype.is_complex:
        return own(y, upstream, name)
    return upstream * tf.math.conj(tf.constant(-0.5, y.dtype) * y * y * y)


def _reciprocal_grad(
    own: Callable[..., Any], y: tf.Tensor, upstream: tf.Tensor, name: str | None = None
) -> tf.Tensor:
    if not y.dtype.is_complex:
        return own(y, upstream, name)
    return -upstream * tf.math.conj(y * y)


def _resize_bilinear_grad(
    own: Callable[..., Any],
    upstream: tf.Tensor,
    image: tf.Tensor,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
    name: str | None = None,
) -> tf.Tensor:
    """Compute the gradient as TensorFlow does, with a gradient of its own."""

    @tf.custom_gradient
    def transposed(upstream: tf.Tensor) -> Any:
        def gradient(further: tf.Tensor) -> tf.Tensor:
            resized = gen_image_ops.resize_bilinear(
                further,
                tf.shape(upstream)[1:3],
                align_corners=align_corners,
                half_pixel_centers=half_pixel_centers,
            )
            return tf.cast(resized, upstream.dtype)

        return own(upstream, image, align_corners, half_pixel_centers, name), gradient

    return transposed(upstream)


def _fake_quant_gradient(
    own: Callable[..., Any], upstream: tf.Tensor, inputs: tf.Tensor, **options: Any
) -> tf.Tensor:
    @tf.custom_gradient
    def passed(upstream: tf.Tensor) -> Any:
        return own(upstream, inputs, **options), lambda further: own(further, inputs, **options)

    return passed(upstream)


def _fake_quant_vars_gradient(
    own: Callable[..., Any],
    upstream: tf.Tensor,
    inputs: tf.Tensor,
    low: tf.Tensor,
    high: tf.Tensor,
    **options: Any,
) -> list[tf.Tensor]:
    """Compute the gradients of the inputs and of the range's ends, which may be by channel."""

    @tf.custom_gradient
    def passed(upstream: tf.Tensor) -> Any:
        def gradient(of_inputs: tf.Tensor, of_low: tf.Tensor, of_high: tf.Tensor) -> tf.Tensor:
            inside = own(tf.ones_like(inputs), inputs, low, high, **options)[0]
            below = (1 - inside) * tf.cast(inputs < (low + high) / 2, inputs.dtype)
            return inside * of_inputs + below * of_low + (1 - inside - below) * of_high

        return list(own(upstream, inputs, low, high, **options)), gradient

    outputs: list[tf.Tensor] = passed(upstream)
    return outputs
