"""A model of features, joined to the backbone that computes them."""

import keras
import tensorflow as tf

from workers.backbone.checks import as_input, declared_input
from workers.tasks.family import TaskFamily, raw_family
from workers.wire.protocol import Array


def behind_backbone(model: keras.Model, family: TaskFamily) -> keras.Model:
    """Put the family's backbone in front of a model of its features; return others as they are."""
    backbone = getattr(family, "backbone", None)
    if backbone is None:
        return model
    raw, declared = raw_family(family), declared_input(backbone.model)
    if declared is None:
        inputs = keras.Input(
            raw.input_shape, dtype="float32" if raw.num_tokens is None else "int32"
        )
    else:
        inputs = keras.Input(declared.shape[1:], dtype=declared.dtype)
    features = _named(backbone.model, "backbone")(inputs, training=False)
    return keras.Model(inputs, _named(model, "on_features")(keras.ops.cast(features, "float32")))


def _named(model: keras.Model, name: str) -> keras.Model:
    """Name a model: Keras calls all of them "functional", and no two parts may be called so."""
    if not getattr(model, "inputs", None):
        return model  # it has a name of its own
    return keras.Model(model.inputs, model.output, name=name)


def as_given(model: keras.Model, inputs: Array) -> tf.Tensor:
    """Convert inputs to a tensor; strings have the shape that the model declares."""
    tensor = tf.constant(inputs)
    return as_input(model, tensor) if tensor.dtype == tf.string else tensor
