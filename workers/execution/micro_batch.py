"""A model's call by micro-batches: its examples a few at a time, with the same outputs."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.execution.chunks import by_chunks

#: Random layers draw from other seeds in each micro-batch: these are so far apart.
_DRAWS = 2**10
_PROBED = 4
_TOLERANCE = 1e-3

Call = Callable[[Sequence[tf.Tensor], list[tf.Tensor], Any], Any]


def apply_by_micro_batches(
    call: Call,
    theta: Sequence[tf.Tensor],
    state: Sequence[tf.Tensor],
    inputs: Any,
    size: int,
    of_features: bool,
) -> tuple[Any, list[tf.Tensor]]:
    """Compute a model's outputs and its next state; differentiable in theta to any order.

    Args:
      call: (theta, state, inputs) -> outputs of the model.
      state: seeds alone.
      inputs: nested [n, ...].
      size: examples of a micro-batch.
      of_features: differentiate in the inputs too.
    """
    flat = tf.nest.flatten(inputs)
    number = flat[0].shape[0]
    places = tf.range(number)  # so that inputs without a derivative are no rows
    forms: list[Any] = []

    def of_chunk(index: tf.Tensor, theta: Any, rows: Any) -> tuple[list[Any], list[Any]]:
        if not of_features:
            rows = [tf.gather(array, rows[0]) for array in flat]
        seeds = [_after(seed, index) for seed in state]
        outputs = call(theta, seeds, tf.nest.pack_sequence_as(inputs, rows))
        forms.append(tf.nest.map_structure(lambda x: 0, outputs))
        return [], tf.nest.flatten(outputs)

    first = tf.reshape(flat[0], [-1])[0]
    zero = tf.cast(tf.not_equal(first, first), tf.int32) * 0
    _, outputs = by_chunks(of_chunk, theta, flat if of_features else [places], size, zero)
    count = tf.constant(-(-number // size))
    return tf.nest.pack_sequence_as(forms[0], outputs), [_after(seed, count) for seed in state]


def _after(seed: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Return the seed of a random layer in a micro-batch."""
    return seed + tf.cast(tf.stack([0, index * _DRAWS]), seed.dtype)


def refuse_mixing(model: Any, num_tokens: int | None, size: int) -> None:
    """Refuse micro-batches for a model in which the outputs of an example depend on others.

    Args:
      model: a `FunctionalModel`.
      num_tokens: where inputs are token ids.
      size: of a micro-batch.
    Raises:
      ValueError: it is such a model; names the layer if it is batch normalization.
    """
    start = f"runtime.micro_batch = {size} computes a few examples at a time, but "
    for layer in model.keras_model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            raise ValueError(
                f"{start}the layer {layer.name!r} normalizes by all examples of a batch; unset it, "
                "or use layer or group normalization"
            )
    if model.statistics_names:
        names = ", ".join(model.statistics_names[:3])
        raise ValueError(f"{start}each call of the model changes {names}; unset it")
    rng, shape = np.random.default_rng(0), (_PROBED, *model.input_shape)
    inputs = tf.constant(rng.normal(size=shape), tf.float32)
    if num_tokens is not None:
        inputs = tf.constant(rng.integers(num_tokens, size=shape), tf.int32)
    theta = [tf.constant(value) for value in model.initial_weights()]
    state = model.start([], tf.zeros(2, tf.int32))

    def outputs(some: tf.Tensor) -> list[Any]:
        made, _ = model.apply(theta, state, some, training=not model.draws)
        return [x.numpy() for x in tf.nest.flatten(made)]

    halves = zip(outputs(inputs[: _PROBED // 2]), outputs(inputs[_PROBED // 2 :]), strict=True)
    for whole, parts in zip(outputs(inputs), halves, strict=True):
        if not np.allclose(whole, np.concatenate(parts), _TOLERANCE, _TOLERANCE):
            raise ValueError(
                f"{start}the model's outputs for an example depend on the others in a batch; unset "
                "it"
            )
