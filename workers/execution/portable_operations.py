"""Operations that LiteRT has, in place of those that it lacks: for graphs that are exported.

LiteRT (TensorFlow Lite) has no derivatives among its operations, and its converter drops a ReLU
between products of which no operand is a constant (findings/litert_relu_dropped.sh). Within
`portable_operations()` TensorFlow's generated operations are replaced by others with the same
values up to rounding:

- ReLU and its derivative: a choice between the input and 0.
- The derivative of a convolution by its filter: a matrix product with the patches of the input.
- The derivative of max pooling: the first largest input of each window gets it.
- The cross-entropy of a number of examples that is not known: written out.
- Normalization by the statistics of a batch, and its derivatives: written out.
"""

import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import gen_nn_ops

_CROSS_ENTROPY = "sparse_softmax_cross_entropy_with_logits"
_LOCK = threading.Lock()
_ON: ContextVar[bool] = ContextVar("portable", default=False)
_installed: list[str] = []


@contextmanager
def portable_operations() -> Iterator[None]:
    """Make the operations within, and the derivatives that are taken there, LiteRT's."""
    _install()
    token = _ON.set(True)
    try:
        yield
    finally:
        _ON.reset(token)


def is_portable() -> bool:
    """Tell whether a graph is traced that is to be exported."""
    return _ON.get()


def _install() -> None:
    with _LOCK:
        if _installed:
            return
        for module, name, ours in (
            (tf.nn, "relu", _relu),
            (tf.nn, "relu6", _relu6),
            (gen_nn_ops, "relu_grad", _relu_grad),
            (gen_nn_ops, "relu6_grad", _relu6_grad),
            (gen_nn_ops, "leaky_relu_grad", _leaky_relu_grad),
            (gen_nn_ops, "max_pool_grad", _max_pool_grad),
        ):
            own = getattr(module, name)
            setattr(module, name, _dispatched(own, ours))
            _installed.append(name)
        for name, written in (("conv2d", _conv2d), (_CROSS_ENTROPY, _cross_entropy)):
            own = getattr(gen_nn_ops, name)
            setattr(gen_nn_ops, name, _dispatched(own, functools.partial(written, own)))


def _dispatched(own: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        return (ours if _ON.get() else own)(*arguments, **options)

    return call


def _relu(features: Any, name: str | None = None) -> tf.Tensor:
    features = tf.convert_to_tensor(features)
    return tf.where(features > 0, features, tf.zeros_like(features))


def _relu_grad(gradients: tf.Tensor, features: tf.Tensor, name: str | None = None) -> tf.Tensor:
    return tf.where(features > 0, gradients, tf.zeros_like(gradients))


def _relu6(features: Any, name: str | None = None) -> tf.Tensor:
    return tf.minimum(_relu(features), 6.0)


def _relu6_grad(gradients: tf.Tensor, features: tf.Tensor, name: str | None = None) -> tf.Tensor:
    inside = (features > 0) & (features < 6)
    return tf.where(inside, gradients, tf.zeros_like(gradients))


def _leaky_relu_grad(
    gradients: tf.Tensor, features: tf.Tensor, alpha: float = 0.2, name: str | None = None
) -> tf.Tensor:
    return tf.where(features > 0, gradients, alpha * gradients)


def _conv2d(
    own: Callable[..., Any],
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    use_cudnn_on_gpu: bool = True,
    explicit_paddings: Any = (),
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> tf.Tensor:
    """Convolve; the derivative by the filter is a product with the patches of the input.

    Raises:
      NotImplementedError: the convolution is of a kind that this is not written for.
    """
    inputs, kernel = tf.convert_to_tensor(input), tf.convert_to_tensor(filter)
    height, width, channels, filters = kernel.shape
    if data_format != "NHWC" or tuple(dilations) != (1, 1, 1, 1) or channels != inputs.shape[-1]:
        raise NotImplementedError("a convolution with dilation, groups, or channels first")

    @tf.custom_gradient
    def convolved(inputs: tf.Tensor, kernel: tf.Tensor) -> Any:
        outputs = own(inputs, kernel, strides, padding)

        def gradient(above: tf.Tensor) -> Any:
            size, extent = (height, width), outputs.shape[1:3]
            patches = tf.concat(list(_windows(inputs, size, strides[1:3], padding, extent)), -1)
            rows = tf.reshape(patches, [-1, height * width * channels])
            columns = tf.reshape(above, [-1, filters])
            by_kernel = tf.reshape(tf.matmul(rows, columns, transpose_a=True), kernel.shape)
            shape = tf.shape(inputs)
            by_inputs = gen_nn_ops.conv2d_backprop_input(shape, kernel, above, strides, padding)
            return by_inputs, by_kernel

        return outputs, gradient

    return convolved(inputs, kernel)


def _cross_entropy(
    own: Callable[..., Any], features: tf.Tensor, labels: tf.Tensor, name: str | None = None
) -> Any:
    """Return the cross-entropy of each example, and its derivative by the features."""
    if features.shape.is_fully_defined():
        return own(features, labels, name=name)
    members = tf.one_hot(labels, tf.shape(features)[-1], dtype=features.dtype)
    losses = -tf.reduce_sum(members * tf.nn.log_softmax(features), axis=-1)
    return losses, tf.nn.softmax(features) - members


def _max_pool_grad(
    orig_input: tf.Tensor,
    orig_output: tf.Tensor,
    grad: tf.Tensor,
    ksize: Any,
    strides: Any,
    padding: Any,
    explicit_paddings: Any = (),
    data_format: str = "NHWC",
    name: str | None = None,
) -> tf.Tensor:
    """Give each window's gradient to its first largest input, for windows that do not overlap.

    Raises:
      NotImplementedError: windows overlap.
    """
    size, step = tuple(ksize[1:3]), tuple(strides[1:3])
    if _text(data_format) != "NHWC" or size != step:
        raise NotImplementedError("max pooling of windows that overlap, or with channels first")
    rows, columns = grad.shape[1:3]
    taken = tf.zeros_like(orig_output, tf.bool)
    parts = []
    lowest = orig_input.dtype.min
    for window in _windows(orig_input, size, step, padding, (rows, columns), lowest):
        wins = tf.equal(window, orig_output) & ~taken
        parts.append(tf.where(wins, grad, tf.zeros_like(grad)))
        taken |= wins
    whole = _put_together(parts, size, (rows, columns), orig_input.shape[-1])
    height, width = orig_input.shape[1:3]
    top, left = (
        max((count - 1) * step[axis] + size[axis] - length, 0) // 2 if _is_same(padding) else 0
        for axis, (count, length) in enumerate(((rows, height), (columns, width)))
    )
    below = max(height - (whole.shape[1] - top), 0)
    beside = max(width - (whole.shape[2] - left), 0)
    whole = tf.pad(whole, [[0, 0], [0, below], [0, beside], [0, 0]])
    return whole[:, top : top + height, left : left + width, :]


def _put_together(parts: Any, size: Any, extent: Any, channels: int) -> tf.Tensor:
    """Interleave windows' entries: size x [batch, rows, columns, channels] to one image."""
    (height, width), (rows, columns) = size, extent
    lines = [tf.stack(parts[i * width : (i + 1) * width], 3) for i in range(height)]
    whole = tf.stack(lines, 2)  # [batch, rows, height, columns, width, channels]
    return tf.reshape(whole, [-1, rows * height, columns * width, channels])


def _windows(
    inputs: tf.Tensor, size: Any, step: Any, padding: Any, extent: Any, fill: float = 0.0
) -> Iterator[tf.Tensor]:
    """Yield the entries of all windows at each place of a window: [batch, *extent, channels]."""
    margins = [(0, 0)]
    for axis in (0, 1):
        length, count = inputs.shape[axis + 1], extent[axis]
        missing = max((count - 1) * step[axis] + size[axis] - length, 0) if _is_same(padding) else 0
        margins.append((missing // 2, missing - missing // 2))
    padded = tf.pad(inputs, [*margins, (0, 0)], constant_values=fill)
    for row, column in itertools.product(range(size[0]), range(size[1])):
        last = [(count - 1) * each + 1 for count, each in zip(extent, step, strict=True)]
        yield padded[:, row : row + last[0] : step[0], column : column + last[1] : step[1], :]


def _is_same(padding: Any) -> bool:
    return _text(padding) == "SAME"


def _text(attribute: Any) -> str:
    return attribute.decode() if isinstance(attribute, bytes) else str(attribute)
