"""Checks of a backbone, before features are computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.models.user_source import Source, first_line
from workers.wire.errors import DataError
from workers.wire.protocol import Array


def declared_input(model: keras.Model) -> Any:
    """Return the input that the model declares; None if it declares none, as a subclass may."""
    inputs = getattr(model, "inputs", None) or [None]
    return inputs[0]


def check_input(
    source: Source, model: keras.Model, input_shape: tuple[int, ...], shape_keys: str
) -> None:
    """Refuse a model that takes other inputs than the tasks have.

    Args:
      input_shape: of an example.
      shape_keys: the settings that change it.
    Raises:
      ValueError: names both shapes.
    """
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return
    if len(inputs) > 1:
        raise ValueError(f"{source} takes {len(inputs)} inputs, but the tasks have one")
    declared = tuple(inputs[0].shape[1:])
    if inputs[0].dtype == "string":
        if declared not in ((), (1,)):
            raise ValueError(
                f"{source} takes strings of shape {declared}; a text is one: () or (1,)"
            )
        return
    fits = len(declared) == len(input_shape) and all(
        size in (None, actual) for size, actual in zip(declared, input_shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{source} takes examples of shape {declared}, but the tasks have {input_shape}; "
            f"set {shape_keys} for it, or give another backbone"
        )


def as_input(model: keras.Model, examples: tf.Tensor) -> tf.Tensor:
    """Give examples the type, and strings the shape, that the model declares."""
    declared = declared_input(model)
    if declared is None:
        return examples
    if declared.dtype == "string":
        return tf.reshape(examples, [-1] + [1] * (len(declared.shape) - 1))
    return tf.cast(examples, declared.dtype)


def count_features(source: Source, model: keras.Model, input_shape: tuple[int, ...]) -> int:
    """Call the model on an example; return the length of its output.

    Raises:
      ValueError: it fails, or its output is not a vector of numbers.
    """
    declared = declared_input(model)
    is_text = declared is not None and declared.dtype == "string"
    example = tf.constant(["a"]) if is_text else tf.zeros((1, *input_shape))
    try:
        outputs = model(as_input(model, example), training=False)
    except (Exception, SystemExit) as error:
        raise failure(source, input_shape, error) from error
    if not isinstance(outputs, tf.Tensor):
        raise ValueError(
            f"{source} returns a {type(outputs).__name__} of outputs; one vector for each example "
            "is needed: make a keras.Model of the one to use"
        )
    shape = tuple(outputs.shape)
    if len(shape) != 2 or shape[0] != 1 or not shape[1]:
        raise ValueError(
            f"{source} has outputs of shape {('batch', *shape[1:])}; one vector for each example "
            "is needed, ('batch', features): end it in a pooling layer, such as "
            "keras.layers.GlobalAveragePooling2D(), or in Flatten()"
        )
    if not outputs.dtype.is_floating:
        raise ValueError(
            f"{source} has outputs of type {outputs.dtype.name}; floating-point numbers are needed"
        )
    return int(shape[1])


def failure(source: Source, shape: tuple[int, ...], error: BaseException) -> ValueError:
    """Build the error of a model that fails on the tasks' examples."""
    return ValueError(
        f"{source} cannot be called on examples of shape {shape}, as the tasks have them: "
        f"{type(error).__name__}: {first_line(error)[:200]}"
    )


def check_same(source: Source, one: Array, other: Array) -> None:
    """Refuse features that are others each time. Raises ValueError."""
    if not np.array_equal(one, other, equal_nan=True):
        raise ValueError(
            f"{source} gives other features each time that it sees an example: it draws random "
            "numbers when it predicts, too; leave out the layers that do"
        )


def check_finite(source: Source, features: Array, names: Sequence[str]) -> None:
    """Refuse features that are inf or nan.

    Args:
      names: of the examples.
    Raises:
      DataError: names the first example.
    """
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        raise DataError(
            f"{source} gives features that are not finite, first of {names[int(bad[0])]}; look at "
            "that example and at the range of inputs that the backbone was trained on"
        )
