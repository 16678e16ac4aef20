"""Hashes of a few fixed computations: whatever changes bits shows here, named or not.

Each hash is of one library or kind of kernel, so that a difference says where to look. The inputs
are made of whole numbers and one division, which are the same on every machine. All of it runs on
the CPU, where theta is updated, and takes about 0.3 s once in a process.
"""

import functools
import hashlib
import io
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PREFIX = "probe of "


@functools.cache
def _hashes() -> dict[str, str]:
    probes: dict[str, Callable[[], Iterable[Any]]] = {
        "matrix products": _products,
        "convolutions": _convolutions,
        "XLA": _xla,
        "elementwise functions": _elementwise,
        "Keras": _keras,
        "numpy": _numpy,
        "image resizing": _image,
    }
    return {f"{_PREFIX}{name}": _hash(probe()) for name, probe in probes.items()}


def probe() -> dict[str, str]:
    """Return "probe of WHAT" -> the first 16 digits of the sha256 of its results.

    TensorFlow must have been started, see `runtime.start_tensorflow`.
    """
    import tensorflow as tf

    with tf.device("/CPU:0"):
        return dict(_hashes())


def is_probe(name: str) -> bool:
    """Tell whether a name of a fingerprint is that of a probe."""
    return name.startswith(_PREFIX)


def _hash(results: Iterable[Any]) -> str:
    total = hashlib.sha256()
    for result in results:
        total.update(result if isinstance(result, bytes) else np.ascontiguousarray(result).data)
    return total.hexdigest()[:16]


def _numbers(*shape: int) -> NDArray[np.float32]:
    """Make numbers between -0.5 and 0.5 that repeat after 1 013."""
    count = int(np.prod(shape))
    whole = (np.arange(count, dtype=np.int64) * 7919 + 17) % 1013
    return (whole.astype(np.float32) / np.float32(1013) - np.float32(0.5)).reshape(shape)


def _products() -> Iterable[Any]:
    import tensorflow as tf

    for rows, inner, columns in ((5, 40, 40), (64, 576, 64), (1, 1000, 1), (33, 17, 129)):
        a, b = tf.constant(_numbers(rows, inner)), tf.constant(_numbers(inner, columns))
        yield tf.matmul(a, b)
        yield tf.matmul(b, a, transpose_a=True, transpose_b=True)
    yield tf.matmul(_numbers(4, 9, 33), _numbers(4, 33, 7))


def _convolutions() -> Iterable[Any]:
    import tensorflow as tf

    for size, channels, stride in ((28, 1, 2), (14, 16, 2), (7, 16, 1)):
        images = tf.constant(_numbers(3, size, size, channels))
        kernel = tf.constant(_numbers(3, 3, channels, 16))
        with tf.GradientTape() as tape:
            tape.watch((images, kernel))
            outputs = tf.nn.conv2d(images, kernel, stride, "SAME")
            normalized = tf.nn.relu(outputs - tf.reduce_mean(outputs, [0, 1, 2]))
            total = tf.reduce_sum(tf.square(normalized))
        yield outputs
        yield from tape.gradient(total, (images, kernel))


def _xla() -> Iterable[Any]:
    import tensorflow as tf

    def graph(a: tf.Tensor, b: tf.Tensor) -> Any:
        hidden = tf.tanh(tf.matmul(a, b))
        return hidden, tf.reduce_sum(tf.exp(hidden), 0)

    compiled = tf.function(graph, jit_compile=True, autograph=False)
    return compiled(_numbers(19, 41), _numbers(41, 23))


def _elementwise() -> Iterable[Any]:
    import tensorflow as tf

    x = tf.constant(6 * _numbers(999))
    for function in (tf.exp, tf.tanh, tf.sigmoid, tf.math.erf, tf.sin, tf.math.softplus):
        yield function(x)
    yield tf.math.log(tf.square(x) + 0.1)
    yield tf.math.rsqrt(tf.square(x) + 0.1)
    yield tf.reduce_sum(x)


def _keras() -> Iterable[Any]:
    import keras

    inputs = _numbers(7, 31)
    layer = keras.layers.Dense(13, kernel_initializer=keras.initializers.GlorotUniform(seed=1))
    outputs = layer(inputs)
    yield outputs
    yield keras.layers.LayerNormalization()(outputs)
    yield keras.activations.gelu(outputs)
    yield keras.initializers.HeNormal(seed=2)((8, 9))


def _numpy() -> Iterable[Any]:
    kinds: tuple[Any, ...] = (np.float32, np.float64)
    for kind in kinds:
        x: NDArray[Any] = 6 * _numbers(999).astype(kind)
        for function in (np.exp, np.tanh, np.sin, np.cos, np.arctan, np.cbrt):
            yield function(x)
        yield np.log(x * x + kind(0.1))
        yield np.power(abs(x), kind(0.7))
        yield x.sum(keepdims=True)
        yield np.atleast_1d(x.std())
        square: NDArray[Any] = _numbers(37, 37).astype(kind)
        yield square @ square
        yield np.linalg.solve(square + 4 * np.eye(37, dtype=kind), square[0])
    generator = np.random.Generator(np.random.Philox(key=[1, 2]))
    yield generator.normal(size=33)
    yield generator.uniform(size=33)


def _image() -> Iterable[Any]:
    from PIL import Image

    grey = np.rint(255 * (_numbers(40, 50) + np.float32(0.5))).astype(np.uint8)
    yield Image.fromarray(grey).resize((28, 28), Image.Resampling.LANCZOS).tobytes()
    stored = io.BytesIO()
    Image.fromarray(np.stack([grey, grey.T.reshape(40, 50), grey[::-1]], -1)).save(stored, "PNG")
    yield Image.open(stored).convert("L").tobytes()
