"""Checks of a user's model before anything is trained, and notes about it."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.random.seed_generator import global_seed_generator

from workers.algorithms.algorithm import Algorithm
from workers.losses.registry import loss_of
from workers.meta_parameters import make_train_model, make_whole_model, num_train_outputs
from workers.model_checks.end_activation import ends_in
from workers.model_checks.hessian import record_calls
from workers.model_checks.mixing import check_features, mixes_examples
from workers.model_checks.random_inputs import random_inputs
from workers.model_checks.second_derivative import check_second_derivative
from workers.models.functional import FunctionalModel
from workers.models.keras_defaults import keras_defaults
from workers.models.user_model import KerasModel
from workers.settings.worker import ActorSettings
from workers.tasks.family import TaskFamily

_NORMALIZATIONS = {
    "batch": keras.layers.BatchNormalization,
    "layer": keras.layers.LayerNormalization,
    "group": keras.layers.GroupNormalization,
}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts about a model that the configuration does not state.

    digest: see `Model.digest`.
    normalizations: the kinds that it has of "batch", "layer", "group"; a frozen batch
      normalization does not count.
    mixes: whether the prediction for an example depends on the others in its batch.
    notes: lines for the user.
    """

    digest: str
    normalizations: list[str]
    mixes: bool
    notes: list[str]


@keras_defaults()
def check_model(settings: ActorSettings, family: TaskFamily) -> ModelFacts:
    """Build the user's model and check it.

    Raises:
      ValueError: the model cannot be built, its outputs do not fit the tasks, or it does not have
        the derivatives that the algorithm needs.
    """
    user = settings.model
    assert isinstance(user, KerasModel)
    functional = make_whole_model(settings, family)
    model = functional.keras_model
    _check_ids(user, model, family)
    _check_outputs(user, model, family, num_train_outputs(settings, family))
    _check_causal(user, model, family)
    _check_random(user, functional, family)
    mixes = mixes_examples(functional, family)
    _check_policy(user, functional, family, mixes)
    _check_head(user, settings.algorithm, functional, family)
    trained = make_train_model(settings, family)
    if settings.algorithm.computes_head:
        check_features(user, trained, family)
    unchecked = _check_second_derivative(user, settings, functional, family.num_tokens)
    counts = _count_normalizations(model)
    notes = [f"{functional.num_parameters} weights, head {functional.head}"]
    notes += _spare_outputs(user, model, family, num_train_outputs(settings, family))
    if counts:
        layers = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        notes.append(
            f"normalization layers made exact ({layers}): Keras' moments have a wrong second "
            "derivative, so metatrain's are used instead"
        )
    if model.losses:
        notes.append("regularizers of its layers are not added to any loss here")
    if any(variable.constraint is not None for variable in model.trainable_variables):
        notes.append("constraints on its weights are not applied here")
    notes += unchecked
    return ModelFacts(user.digest(trained), list(counts), mixes, notes)


def _check_ids(user: KerasModel, model: Any, family: TaskFamily) -> None:
    """Refuse a model with fewer tokens than the tasks: it would fail at the first rare one."""
    if family.num_tokens is None:
        return
    largest, shape = family.num_tokens - 1, (2, *family.input_shape)
    model(tf.zeros(shape, tf.int32), training=False)  # an error at id 0 has another cause
    try:
        model(tf.fill(shape, largest), training=False)
    except tf.errors.InvalidArgumentError:
        raise ValueError(
            f"model.source = {user.source!r} does not take the ids of these tasks' tokens, 0 to "
            f"{largest}; its Embedding needs input_dim = {family.num_tokens} or more"
        ) from None


def _check_outputs(user: KerasModel, model: Any, family: TaskFamily, num_outputs: int) -> None:
    outputs = model(random_inputs(family.input_shape, family.num_tokens, 2), training=False)
    loss = loss_of(family)
    # In text generation each token has its own outputs.
    places = family.input_shape if loss.generates else ()
    expected = f"{loss.outputs_are} {_shape(['batch', *places, num_outputs])}"
    if not isinstance(outputs, tf.Tensor):
        raise ValueError(
            f"model.source = {user.source!r} returns a {type(outputs).__name__} of outputs; the "
            f"tasks need one tensor, {expected}"
        )
    shape = outputs.shape
    fits = tuple(shape[:-1]) == (2, *places)
    if fits:
        fits = shape[-1] >= num_outputs if loss.classifies else shape[-1] == num_outputs
    if not fits or outputs.dtype != tf.float32:
        actual = ["batch", *shape[1:]] if shape.rank and shape[0] == 2 else list(shape)
        hint = "; give its last layer dtype='float32', whatever the others compute in"
        if not fits:
            hint = _if_encoder(user) if shape.rank == 2 else ""
        raise ValueError(
            f"model.source = {user.source!r} has outputs {_shape(actual)} {outputs.dtype.name} for "
            f"inputs {_shape(['batch', *family.input_shape])}; the tasks need {expected} "
            f"float32{hint}"
        )
    if ends_in(loss.refuses, model, outputs):
        raise ValueError(
            f"model.source = {user.source!r} ends in a {loss.refuses}; the loss takes logits: "
            "leave its activation out"
        )


def _check_policy(
    user: KerasModel, functional: FunctionalModel, family: TaskFamily, mixes: bool
) -> None:
    """Refuse a policy whose outputs do not follow from its observations and weights alone."""
    if not loss_of(family).acts:
        return
    if functional.draws:
        raise ValueError(
            f"model.source = {user.source!r} draws random numbers (dropout, noise), but a policy's "
            "outputs must follow from its observations: leave those layers out"
        )
    if mixes or functional.statistics_names:
        raise ValueError(
            f"model.source = {user.source!r} normalizes by batches, which makes a policy's outputs "
            "depend on other episodes; use keras.layers.LayerNormalization"
        )


def _spare_outputs(user: KerasModel, model: Any, family: TaskFamily, num_outputs: int) -> list[str]:
    """Note outputs that are no class: that is allowed, but may be an encoder by mistake."""
    number = model.output_shape[-1] if hasattr(model, "inputs") else num_outputs
    if not loss_of(family).classifies or number == num_outputs:
        return []
    return [
        f"the model has {number} outputs and tasks have {num_outputs} classes; the other "
        f"{number - num_outputs} are never a correct answer{_if_encoder(user)}"
    ]


def _if_encoder(user: KerasModel) -> str:
    return "" if user.encoder else "; if they are vectors that need a head: model.encoder=true"


def _check_causal(user: KerasModel, model: Any, family: TaskFamily) -> None:
    """Refuse a language model that sees later tokens: it would seem to predict everything."""
    if not loss_of(family).generates:
        return
    ids = random_inputs(family.input_shape, family.num_tokens, 4)
    assert family.num_tokens is not None
    changed = tf.concat([ids[:, :-1], (ids[:, -1:] + 1) % family.num_tokens], axis=1)
    before, after = (model(inputs, training=False)[:, :-1] for inputs in (ids, changed))
    if not np.allclose(before, after, rtol=1e-3, atol=1e-5):
        raise ValueError(
            f"model.source = {user.source!r} looks ahead: another last token changes the outputs "
            "before it; mask later tokens (use_causal_mask=True, padding='causal')"
        )


def _check_random(user: KerasModel, functional: FunctionalModel, family: TaskFamily) -> None:
    """Refuse random numbers that do not follow from a task's seed."""
    weights = [tf.constant(value) for value in functional.initial_weights()]
    statistics = [tf.constant(value) for value in functional.initial_statistics()]

    def call(inputs: tf.Tensor) -> tf.Tensor:
        state = functional.start(statistics, tf.zeros(2, tf.int32))
        return functional.apply(weights, state, inputs)[0]

    dtype = tf.float32 if family.num_tokens is None else tf.int32
    spec = tf.TensorSpec((2, *family.input_shape), dtype)
    graph = tf.function(call, autograph=False).get_concrete_function(spec).graph
    drawn = sorted({op.type for op in graph.get_operations() if _draws(op)})
    shared = global_seed_generator().state.value.handle
    if any(captured is shared for captured, _ in graph.captures):
        drawn.append("keras.random without a seed")
    if drawn:
        raise ValueError(
            f"model.source = {user.source!r} draws random numbers that no task's seed determines "
            f"({', '.join(drawn)}); use keras.random with a keras.random.SeedGenerator of the layer"
        )


def _draws(operation: Any) -> bool:
    stateful = operation.op_def is not None and operation.op_def.is_stateful
    words = ("Random", "Normal", "Multinomial", "Uniform")
    return stateful and any(word in operation.type for word in words)


def _check_head(
    settings: KerasModel, algorithm: Algorithm, functional: FunctionalModel, family: TaskFamily
) -> None:
    """Refuse a head that is not called last: Keras lists a subclass' layers as they were made."""
    if settings.head is not None or not algorithm.needs_head:
        return
    inputs = random_inputs(family.input_shape, family.num_tokens, 2)
    calls = record_calls(functional.keras_model, inputs)
    last = [call.layer for call in calls if call.weights and not call.inner_layers][-1]
    if last.name != functional.head:
        raise ValueError(
            f"model.source = {settings.source!r}: the layer made last is {functional.head!r}, the "
            f"one called last is {last.name!r}; algorithm.kind = {algorithm.kind!r} needs to know "
            f"which one is the head: set model.head = {last.name!r}"
        )


def _check_second_derivative(
    settings: KerasModel,
    worker: ActorSettings,
    functional: FunctionalModel,
    num_tokens: int | None,
) -> list[str]:
    """Check the second derivatives, if needed; return notes on what was not checked."""
    algorithm = worker.algorithm
    if settings.second_derivative == "trusted" or not algorithm.second_order:
        return []
    head_alone = algorithm.adapted == "head" and settings.statistics != "support"
    # If the model can be cut, only the head is in the inner loop; see algorithms/anil.py.
    parts = functional.parts if head_alone else None
    if parts and parts.num_features == 1:
        functional, num_tokens = parts.head, None
    verdict = check_second_derivative(
        functional.keras_model,
        functional.input_shape,
        settings.statistics != "running",
        num_tokens,
        worker.execution,
    )
    if verdict.layer is not None:
        kind = type(verdict.layer).__name__
        raise ValueError(
            f"model.source = {settings.source!r}: the layer {verdict.layer.name!r} ({kind}) "
            f"has {verdict.reason}, and algorithm.kind = {algorithm.kind!r} needs it; "
            f"replace the layer, set {algorithm.without_second_order}, or, if it stops gradients "
            "on purpose, model.second_derivative = 'trusted'"
        )
    notes = []
    if verdict.unchecked:
        notes.append(
            f"the derivatives of {', '.join(verdict.unchecked)} were not checked in full: it does "
            "not compute in float64, or is not compiled by itself"
        )
    if verdict.unknown:
        notes.append(
            f"the second derivative of {', '.join(verdict.unknown)} could not be checked as a "
            "whole: its curvature is too high for finite differences; none of its layers is wrong"
        )
    if verdict.too_large:
        notes.append(
            f"the second derivative of the largest {', '.join(verdict.too_large)} was not checked: "
            "it would take too long; that of smaller ones was"
        )
    return notes


def _count_normalizations(model: Any) -> dict[str, int]:
    layers = list(model._flatten_layers())
    counts = {
        name: sum(isinstance(x, kind) and (x.trainable or name != "batch") for x in layers)
        for name, kind in _NORMALIZATIONS.items()
    }
    return {name: count for name, count in counts.items() if count}


def _shape(sizes: list[Any]) -> str:
    return f"[{', '.join(map(str, sizes))}]"
