"""From the settings' kind to a model."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from workers.execution.runtime import DRIVER_DEVICE
from workers.models import conv4, gaussian_mlp, linear, mlp, text, transformer, user_model
from workers.models.functional import FunctionalModel
from workers.models.keras_defaults import keras_defaults
from workers.models.names import fresh_names
from workers.settings.models import ModelSettings

Build = Callable[[Any, tuple[int, ...], int], Any]
MODELS: dict[str, Build] = {
    "linear": linear.build,
    "mlp": mlp.build,
    "gaussian_mlp": gaussian_mlp.build,
    "conv4": conv4.build,
}
#: Those that may ask how many ids there are, where inputs are ids.
MODELS_OF_TOKENS: dict[str, Callable[[Any, tuple[int, ...], int, int | None], Any]] = {
    "text": text.build,
    "transformer": transformer.build,
    "keras": user_model.build,
}


def make_model(
    settings: ModelSettings,
    input_shape: tuple[int, ...],
    num_outputs: int,
    seed: int = 0,
    num_tokens: int | None = None,
) -> FunctionalModel:
    """Build the architecture of `settings.kind`, its weights drawn from `seed`.

    The one place where a global seed is set: Keras draws unseeded initializers from global state.

    Raises:
      ValueError: a user's model cannot be had, or cannot be trained.
    """
    keras.utils.set_random_seed(seed)
    with fresh_names(), keras_defaults(), tf.device(DRIVER_DEVICE):
        if settings.kind in MODELS_OF_TOKENS:
            build = MODELS_OF_TOKENS[settings.kind]
            model = build(settings, input_shape, num_outputs, num_tokens)
        else:
            model = MODELS[settings.kind](settings, input_shape, num_outputs)
    adapters = transformer.ADAPTER if getattr(settings, "adapter_rank", 0) else ()
    running, head = settings.statistics == "running", getattr(settings, "head", None)
    return FunctionalModel(model, input_shape, running, head, adapters)


def source_digest(settings: ModelSettings, model: FunctionalModel) -> str:
    """The identity of what the configuration does not say of a user's model; "" of ours."""
    if settings.kind != "keras":
        return ""
    return user_model.digest(settings, model.frozen_sha256())
