"""Adapted weights as a model that plain Keras loads and predicts with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.meta import Layout, make_test_model
from workers.models import normalization as ours
from workers.models.functional import FunctionalModel
from workers.models.fused_batch_norm import EPSILON
from workers.models.gaussian_mlp import GaussianHead
from workers.models.keras_defaults import keras_defaults
from workers.models.token_embedding import TokenEmbedding
from workers.protocol import Adapted, Array
from workers.settings.worker import WorkerSettings
from workers.tasks.family import TaskFamily
from workers.units import Units

_OURS = (ours.Normalization, GaussianHead, TokenEmbedding)


@keras_defaults()
def save_plain(
    settings: WorkerSettings,
    family: TaskFamily,
    adapted: Adapted,
    seen: Array,
    file: Path,
    units: Units | None = None,
) -> Array:
    """Write a .keras file; what the model in it, loaded again, answers to `seen`.

    Keras normalizes batches by running statistics once a model is trained: where adaptation did
    by those of the batch itself, the file keeps the statistics of `seen`.

    Args:
      seen: float32 [n, *input_shape], as the model was trained on. units: those of the file.
    Returns:
      its answers, in the units of the file.
    """
    fresh = make_test_model(settings, family)
    model = plain(_filled(fresh, adapted))
    if settings.model.statistics != "running":
        _keep_statistics(model, tf.constant(seen))
    given = seen
    if units is not None:
        model, given = _in_units(units, model), units.inputs.undo(seen)
    loaded = save_and_load(model, file)
    outputs: Array = np.asarray(loaded(tf.constant(given), training=False))
    return outputs


@keras_defaults()
def save_and_load(model: keras.Model, file: Path) -> Any:
    """Write a .keras file; the model that Keras loads from it.

    Raises:
      ValueError: Keras cannot save it, or load what it saved; `file` is not there then.
    """
    try:
        model.save(file)
        return keras.saving.load_model(file, compile=False)
    except Exception as error:  # whatever a user's layers raise
        file.unlink(missing_ok=True)
        raise ValueError(
            f"Keras cannot save the model {model.name!r} and load it again "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}); give its classes a "
            "get_config, and register them with keras.saving.register_keras_serializable in a "
            "module of model.imports"
        ) from error


@keras_defaults()
def plain(model: keras.Model) -> keras.Model:
    """The same model with Keras' own layers in place of ours."""
    if not any(isinstance(layer, _OURS) for layer in model.layers):
        return model
    clone = keras.models.clone_model(model, clone_function=_counterpart)
    for theirs, layer in zip(model.layers, clone.layers, strict=True):
        values = theirs.get_weights()
        if isinstance(layer, keras.layers.LayerNormalization):
            # Ours has a scale for each channel, Keras' one for each number.
            values = [np.broadcast_to(value, layer.gamma.shape) for value in values]
        elif isinstance(layer, keras.layers.BatchNormalization) and len(values) == 2:
            values += layer.get_weights()[2:]
        elif isinstance(theirs, GaussianHead):
            kernel, bias, log_std = values
            values = [np.hstack([kernel, np.zeros_like(kernel)]), np.hstack([bias, log_std])]
        layer.set_weights(values)
    return clone


def _in_units(units: Units, model: keras.Model) -> keras.Model:
    """The same model, told and answering in `units`; in float64, since units may be far from 0."""
    ops, rescaling = keras.ops, keras.layers.Rescaling
    mean, deviation = units.inputs
    inputs = keras.Input(mean.shape, dtype="float64")
    scaled = rescaling(1.0, (-mean).tolist(), dtype="float64")(inputs)
    scaled = rescaling((1 / deviation).tolist(), dtype="float64")(scaled)
    if units.fills:
        scaled = ops.where(ops.isnan(scaled), 0.0, scaled)
    if units.farthest is not None:
        scaled = ops.clip(scaled, -units.farthest, units.farthest)
    outputs = model(ops.cast(scaled, "float32"))
    if units.outputs is not None:
        mean, deviation = units.outputs
        outputs = rescaling(deviation.tolist(), mean.tolist(), dtype="float64")(outputs)
    return keras.Model(inputs, outputs)


def _counterpart(layer: Any) -> Any:
    options = {"epsilon": EPSILON, "name": layer.name}
    if isinstance(layer, ours.BatchNormalization):
        return keras.layers.BatchNormalization(**options)
    if isinstance(layer, ours.GroupNormalization):
        return keras.layers.GroupNormalization(layer.groups, **options)
    if isinstance(layer, ours.LayerNormalization):
        axes = list(range(1, len(layer.input.shape)))
        return keras.layers.LayerNormalization(axis=axes, **options)
    if isinstance(layer, GaussianHead):
        return keras.layers.Dense(2 * layer.num_actions, name=layer.name)
    if isinstance(layer, TokenEmbedding):
        return keras.layers.Embedding.from_config(layer.get_config())
    return type(layer).from_config(layer.get_config())


def _filled(functional: FunctionalModel, adapted: Adapted) -> keras.Model:
    """The model itself, its own variables set to what was adapted."""
    theta = Layout(functional.names, functional.shapes)
    statistics = Layout(functional.statistics_names, functional.statistics_shapes)
    functional.assign(
        theta.split(tf.constant(adapted.theta)), statistics.split(tf.constant(adapted.statistics))
    )
    return functional.keras_model


def _keep_statistics(model: keras.Model, inputs: tf.Tensor) -> None:
    """Make the running statistics those of `inputs`, layer after layer."""
    with _observed():
        model(inputs, training=False)


@contextmanager
def _observed() -> Iterator[None]:
    """Within: a batch normalization takes over the statistics of its inputs, then normalizes."""
    layer: Any = keras.layers.BatchNormalization
    call = layer.call

    def observe(self: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if self.trainable:  # one that is frozen had its running statistics all along
            axes = _all_but(self.axis, inputs.shape.rank)
            mean = tf.reduce_mean(inputs, axes, keepdims=True)
            variance = tf.reduce_mean(tf.square(inputs - mean), axes)
            self.moving_mean.assign(tf.squeeze(mean, axes))
            self.moving_variance.assign(variance)
        return call(self, inputs, training=False, mask=mask)

    layer.call = observe
    try:
        yield
    finally:
        layer.call = call


def _all_but(axis: int, rank: int) -> Sequence[int]:
    return [i for i in range(rank) if i != axis % rank]
