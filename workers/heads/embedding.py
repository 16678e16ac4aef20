"""The part of a model in front of its head, and the same with another head."""

from typing import Any

import keras

from workers.models.functional import FunctionalModel
from workers.models.keras_defaults import keras_defaults
from workers.models.model import Model
from workers.models.names import fresh_names


def embedding_of(settings: Model, model: FunctionalModel) -> FunctionalModel:
    """Cut a model in front of its head.

    Args:
      settings: from which it was made.
    Returns:
      the model of the features, [batch, *input_shape] -> [batch, features].
    Raises:
      ValueError: the model is no graph of layers, or its head does not get one vector.
    """
    with fresh_names(), keras_defaults():
        own = settings.features(model.keras_model)
    if own is not None:
        return FunctionalModel(own, model.input_shape, model.running)
    tensors, name = model.features, model.keras_model.name
    if all(model.is_head):
        raise ValueError(
            f"the model {name!r} has no weights in front of its head {model.head!r}, which the "
            "algorithm computes: nothing could be trained"
        )
    if tensors is None:
        raise ValueError(
            f"the model {name!r} cannot be cut in front of its head {model.head!r}, which the "
            "algorithm computes: make it a functional or sequential Keras model whose head is a "
            "layer of its own"
        )
    shapes = [tuple(tensor.shape[1:]) for tensor in tensors]
    if len(shapes) != 1 or len(shapes[0]) != 1:
        raise ValueError(
            f"the head {model.head!r} of the model {name!r} gets "
            f"{' and '.join(str(list(shape)) for shape in shapes)} of each example, but the "
            "algorithm computes a head for one vector; flatten or pool in front of it"
        )
    with fresh_names(), keras_defaults():
        cut = keras.Model(model.keras_model.inputs[0], tensors[0])
    return FunctionalModel(cut, model.input_shape, model.running)


def with_head(features: FunctionalModel, num_outputs: int) -> FunctionalModel:
    """Put a linear head on a model of features; its weights come last."""
    body: Any = features.keras_model
    with fresh_names(), keras_defaults():
        head = keras.layers.Dense(num_outputs, name="computed_head")
        headed = keras.Model(body.inputs[0], head(body.outputs[0]))
    model = FunctionalModel(headed, features.input_shape, features.running)
    assert model.names[:-2] == features.names, "a head's weights come last"
    return model
