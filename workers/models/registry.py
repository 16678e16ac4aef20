"""The construction of models, from their settings to a pure function."""

import keras
import tensorflow as tf

from workers.execution.runtime import DRIVER_DEVICE
from workers.models.functional import FunctionalModel
from workers.models.keras_defaults import keras_defaults
from workers.models.model import Model
from workers.models.names import fresh_names


def make_model(
    settings: Model,
    input_shape: tuple[int, ...],
    num_outputs: int,
    seed: int = 0,
    num_tokens: int | None = None,
    context_size: int = 0,
) -> FunctionalModel:
    """Build the model that the settings describe, its weights drawn from `seed`.

    This is the only place that sets a global seed: Keras draws unseeded initializers from global
    state.

    Raises:
      ValueError: a user's model cannot be built, or cannot be trained.
    """
    keras.utils.set_random_seed(seed)
    with fresh_names(), keras_defaults(), tf.device(DRIVER_DEVICE):
        if context_size:
            model = settings.with_context(input_shape, num_outputs, context_size)
        else:
            model = settings.build(input_shape, num_outputs, num_tokens)
    running = settings.statistics == "running"
    return FunctionalModel(model, input_shape, running, settings.head_layers, settings.adapters)
