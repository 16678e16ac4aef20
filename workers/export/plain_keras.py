"""Export of adapted weights as a model that plain Keras loads and predicts with."""

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.export.behind_backbone import as_given, behind_backbone
from workers.export.shared_layers import shared_layer, untied
from workers.losses.registry import loss_of
from workers.meta_parameters import Layout, make_test_model
from workers.models import normalization as ours
from workers.models.conditioning.context import Context
from workers.models.functional import FunctionalModel
from workers.models.fused_batch_norm import EPSILON
from workers.models.gaussian_mlp import GaussianHead
from workers.models.keras_defaults import keras_defaults
from workers.models.token_embedding import TokenBag, TokenEmbedding
from workers.settings.worker import ActorSettings
from workers.tasks.family import TaskFamily, features_of
from workers.tasks.scaling import ExampleScaling, Scaling
from workers.wire.errors import MetatrainError
from workers.wire.protocol import Adapted, Array

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
#: metatrain's own layers.
_OURS = (ours.Normalization, GaussianHead, TokenEmbedding, TokenBag, Context)


@keras_defaults()
def as_plain(
    settings: ActorSettings,
    family: TaskFamily,
    adapted: Adapted,
    inputs: Array,
    scaling: ExampleScaling | None = None,
    queries: Array | None = None,
    num_outputs: int | None = None,
) -> tuple[Array, bytes]:
    """Write the adapted model to a .keras file, load it, and predict with it.

    Keras normalizes batches by running statistics once a model is trained. If adaptation normalized
    by the statistics of the batch, the file keeps those of `inputs`.

    Args:
      inputs: float32 [n, *input_shape], standardized as in training.
      scaling: between the units of the file and those of training; None: they are the same.
      queries: like `inputs`, to predict for; None: `inputs`.
      num_outputs: see `make_test_model`.
    Returns:
      the predictions for `queries`, in the units of the file; the content of the file.
    Raises:
      ValueError, MetatrainError: see `save_and_load`.
    """
    fresh = make_test_model(settings, family, num_outputs)
    model, queries = plain(_filled(fresh, adapted)), inputs if queries is None else queries
    if shared_layer(model) is not None:  # it only predicts, so a shared layer may become two
        with suppress(ValueError):  # a model that is no graph keeps shared layers in its file
            model = untied(model)
    if settings.model.statistics != "running":
        _keep_statistics(model, tf.constant(*features_of(family, inputs)))
    model = behind_backbone(model, family)
    if scaling is not None:
        scaling = _of_all_outputs(scaling, family)
        model, queries = _with_scaling(scaling, model), scaling.inputs.undo(queries)
    loaded, content = save_and_load(model)
    outputs: Array = np.asarray(loaded(as_given(loaded, queries), training=False))
    return outputs, content


@keras_defaults()
def save_and_load(model: keras.Model) -> tuple[Any, bytes]:
    """Have Keras save a model to a temporary file and load it again.

    Returns:
      the loaded model, and the content of the file.
    Raises:
      ValueError: Keras cannot save the model, or load what it saved.
      MetatrainError: the disk is full.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.keras")
        try:
            model.save(file)
            return keras.saving.load_model(file, compile=False), file.read_bytes()
        except Exception as error:  # a user's layers may raise anything
            if why := _disk_error(error):
                raise MetatrainError(
                    f"the model cannot be saved in {folder}: {why}; free some space there, or set "
                    "TMPDIR to another folder"
                ) from None
            raise _not_saved(model, error) from error


def _disk_error(error: BaseException | None) -> str:
    """Find the disk's message that caused an error, or ""; HDF5 keeps it in its text alone."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK:
            return os.strerror(error.errno)
        for number in _DISK:
            if os.strerror(number) in str(error):
                return os.strerror(number)
        error = error.__cause__ or error.__context__
    return ""


def _not_saved(model: keras.Model, error: Exception) -> ValueError:
    if (shared := shared_layer(model)) is not None:
        name, one, other = shared
        return ValueError(
            f"Keras cannot save the model {model.name!r} and load it again: the layer {name!r} is "
            f"in {one!r} and in {other!r}, and Keras' files do not keep shared layers; use it in "
            "one of them, or adapt with the run itself instead of an exported file"
        )
    return ValueError(
        f"Keras cannot save the model {model.name!r} and load it again "
        f"({type(error).__name__}: {' '.join(str(error).split())[:200]}); give its classes a "
        "get_config, and register them with keras.saving.register_keras_serializable in a module "
        "of model.imports"
    )


@keras_defaults()
def plain(model: keras.Model) -> keras.Model:
    """Copy a model with Keras' own layers in place of metatrain's."""
    if not any(isinstance(layer, _OURS) for layer in model.layers):
        return model
    clone = keras.models.clone_model(model, clone_function=_counterpart)
    for original, layer in zip(model.layers, clone.layers, strict=True):
        values = original.get_weights()
        if isinstance(layer, keras.layers.LayerNormalization):
            # metatrain's has a scale for each channel, Keras' one for each number.
            values = [np.broadcast_to(value, layer.gamma.shape) for value in values]
        elif isinstance(layer, keras.layers.BatchNormalization) and len(values) == 2:
            values += layer.get_weights()[2:]
        elif isinstance(original, GaussianHead):
            kernel, bias, log_std = values
            values = [np.hstack([kernel, np.zeros_like(kernel)]), np.hstack([bias, log_std])]
        elif isinstance(original, Context):
            values = [np.zeros(layer.kernel.shape), *values]
        layer.set_weights(values)
    return clone


def _of_all_outputs(scaling: ExampleScaling, family: TaskFamily) -> ExampleScaling:
    """Extend the scaling of predicted numbers to further outputs, if the loss has such."""
    loss = loss_of(family)
    if scaling.outputs is None or loss.outputs_per_target == 1:
        return scaling
    shape = (family.num_outputs // loss.outputs_per_target,)
    mean, deviation = (np.broadcast_to(each, shape) for each in scaling.outputs)
    return scaling._replace(outputs=Scaling(*loss.scale(mean, deviation)))


def _with_scaling(scaling: ExampleScaling, model: keras.Model) -> keras.Model:
    """Wrap a model so that its inputs and outputs are not standardized.

    The scaling is computed in float64, since values may be far from 0.
    """
    ops, rescaling = keras.ops, keras.layers.Rescaling
    mean, deviation = scaling.inputs
    inputs = keras.Input(mean.shape, dtype="float64")
    given = _by_itself(inputs) if scaling.each else inputs
    scaled = rescaling(1.0, (-mean).tolist(), dtype="float64")(given)
    scaled = rescaling((1 / deviation).tolist(), dtype="float64")(scaled)
    if scaling.fills:
        scaled = ops.where(ops.isnan(scaled), 0.0, scaled)
    if scaling.farthest is not None:
        scaled = ops.clip(scaled, -scaling.farthest, scaling.farthest)
    outputs = model(ops.cast(scaled, "float32"))
    if scaling.outputs is not None:
        mean, deviation = scaling.outputs
        outputs = rescaling(deviation.tolist(), mean.tolist(), dtype="float64")(outputs)
    return keras.Model(inputs, outputs)


def _by_itself(inputs: Any) -> Any:
    """Standardize each example over its first axis; a constant is only shifted."""
    ops = keras.ops
    centered = inputs - ops.mean(inputs, axis=1, keepdims=True)
    deviation = ops.sqrt(ops.mean(ops.square(centered), axis=1, keepdims=True))
    highest, lowest = (find(inputs, axis=1, keepdims=True) for find in (ops.max, ops.min))
    flat = ops.equal(highest, lowest)
    return centered / ops.where(flat, ops.ones_like(deviation), deviation)


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
    if isinstance(layer, TokenBag):
        return keras.layers.CategoryEncoding(layer.num_tokens, "count", name=layer.name)
    if isinstance(layer, Context):  # the same for whatever comes in
        return keras.layers.Dense(layer.size, name=layer.name)
    if isinstance(layer, TokenEmbedding):
        return keras.layers.Embedding.from_config(layer.get_config())
    return type(layer).from_config(layer.get_config())


def _filled(functional: FunctionalModel, adapted: Adapted) -> keras.Model:
    """Set the variables of the Keras model to the adapted weights, and return it."""
    theta = Layout(functional.names, functional.shapes)
    statistics = Layout(functional.statistics_names, functional.statistics_shapes)
    functional.assign(
        theta.split(tf.constant(adapted.theta)), statistics.split(tf.constant(adapted.statistics))
    )
    return functional.keras_model


def _keep_statistics(model: keras.Model, inputs: tf.Tensor) -> None:
    """Set the running statistics to those of `inputs`, layer after layer."""
    with _observed():
        model(inputs, training=False)


@contextmanager
def _observed() -> Iterator[None]:
    """Make batch normalizations take over the statistics of their inputs, then normalize."""
    layer: Any = keras.layers.BatchNormalization
    call = layer.call

    def observe(self: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if self.trainable:  # a frozen one always normalizes by its running statistics
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
