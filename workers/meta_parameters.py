"""Meta-parameters and the carry beside them: names, shapes, and initial values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from workers.algorithms.algorithm import Start
from workers.execution.micro_batch import refuse_mixing
from workers.heads.embedding import embedding_of, with_head
from workers.models.functional import FunctionalModel
from workers.models.registry import make_model
from workers.settings.worker import ActorSettings
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Adapted, Array, Task, Weights
from workers.wire.tensors import Shape


@dataclass(frozen=True, slots=True)
class Layout:
    """Names and shapes of a list of arrays that are sent as one flat vector."""

    names: list[str]
    shapes: list[Shape]

    @property
    def size(self) -> int:
        """The length of the vector."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def split(self, vector: tf.Tensor) -> list[tf.Tensor]:
        """Split a vector [size] into the list of arrays, inside a graph."""
        if not self.shapes:
            return []
        parts = tf.split(vector, [int(np.prod(shape)) for shape in self.shapes])
        return [tf.reshape(part, shape) for part, shape in zip(parts, self.shapes, strict=True)]


@dataclass(frozen=True, slots=True)
class Initial:
    """The theta and carry of a run before any training."""

    names: list[str]
    theta: list[Array]
    carry_names: list[str]
    carry: list[Array]


def theta_layout(settings: ActorSettings, model: FunctionalModel) -> Layout:
    """Lay out theta: the model's weights, then the algorithm's other meta-parameters."""
    extras = settings.algorithm.extras(model)
    names = [*model.names, *(extra.name for extra in extras)]
    return Layout(names, [*model.shapes, *(extra.shape for extra in extras)])


def carry_layout(settings: ActorSettings, model: FunctionalModel) -> Layout:
    """Lay out the carry: running statistics, then persistent inner moments."""
    names, shapes = list(model.statistics_names), list(model.statistics_shapes)
    algorithm = settings.algorithm
    if algorithm.keeps_moments:
        chosen = algorithm.adapts(model)
        for name, shape, adapted in zip(model.names, model.shapes, chosen, strict=True):
            if adapted:
                names.append(f"moment/{name}")
                shapes.append(shape)
    return Layout(names, shapes)


def initial(settings: ActorSettings, family: TaskFamily) -> Initial:
    """Draw the initial theta and carry. Runs in the driver; actors get theta over the wire."""
    model = make_learned_model(settings, family)
    theta, carry = theta_layout(settings, model), carry_layout(settings, model)
    extras = settings.algorithm.extras(model)
    statistics = model.initial_statistics()
    moments = carry.shapes[len(statistics) :]
    return Initial(
        theta.names,
        [*model.initial_weights(), *(np.full(e.shape, e.value, np.float32) for e in extras)],
        carry.names,
        [*statistics, *(np.full(shape, 0, np.float32) for shape in moments)],
    )


def make_learned_model(settings: ActorSettings, family: TaskFamily) -> FunctionalModel:
    """Make the model whose weights are in theta."""
    return settings.algorithm.learned(make_train_model(settings, family))


def unadapted(settings: ActorSettings, family: TaskFamily, weights: Weights) -> Adapted:
    """Select what every task starts from: the part of theta and the carry that predicts."""
    model = make_learned_model(settings, family)
    theta = theta_layout(settings, model).split(tf.constant(weights.theta))[: len(model.names)]
    carry = carry_layout(settings, model).split(tf.constant(weights.carry))
    statistics = carry[: len(model.statistics_names)]
    settled = model.settled(theta, model.start(statistics, tf.zeros(2, tf.int32)))
    return Adapted(*(flatten(arrays).numpy() for arrays in settled))


def make_train_model(settings: ActorSettings, family: TaskFamily) -> FunctionalModel:
    """Make the model in training as it is without the algorithm, see `Algorithm.learned`.

    A head that is computed is no part of it.
    """
    model = make_whole_model(settings, family)
    if settings.algorithm.computes_head:
        model = _by_micro_batches(settings, family, embedding_of(settings.model, model))
    return model


def make_whole_model(settings: ActorSettings, family: TaskFamily) -> FunctionalModel:
    """Make the model as its settings describe it, with its head for training."""
    return _make(settings, family, num_train_outputs(settings, family))


def make_test_model(
    settings: ActorSettings, family: TaskFamily, num_outputs: int | None = None
) -> FunctionalModel:
    """Make the model that adapts to held-out tasks, with its head.

    Args:
      num_outputs: of a head that is computed; None: as many as tasks of the family have.
    """
    number = num_outputs or family.num_outputs
    if settings.algorithm.computes_head:
        return with_head(make_train_model(settings, family), number)
    return _make(settings, family, number)


def has_global_labels(settings: ActorSettings, family: TaskFamily) -> bool:
    """Tell whether training classifies over all training classes at once, with a head for them."""
    return settings.algorithm.over_all_classes and family.num_train_classes is not None


def start_task(
    model: FunctionalModel, carry: Layout, carried: tf.Tensor, step: tf.Tensor, task: Task
) -> Start:
    """Make what a task starts from beside theta, inside a graph."""
    parts = carry.split(carried)
    count = len(model.statistics_names)
    return Start(model.start(parts[:count], task.seed), parts[count:], step)


def flatten(arrays: Sequence[tf.Tensor]) -> tf.Tensor:
    """Concatenate a list of arrays to one vector, inside a graph; inverts `Layout.split`."""
    if not arrays:
        return tf.zeros([0])
    return tf.concat([tf.reshape(array, [-1]) for array in arrays], axis=0)


def _make(settings: ActorSettings, family: TaskFamily, num_outputs: int) -> FunctionalModel:
    shape = settings.algorithm.model_inputs(settings.model, family)
    tokens = family.num_tokens
    size = settings.algorithm.num_context
    model = make_model(settings.model, shape, num_outputs, settings.seed, tokens, size)
    return _by_micro_batches(settings, family, model)


def _by_micro_batches(
    settings: ActorSettings, family: TaskFamily, model: FunctionalModel
) -> FunctionalModel:
    """Have a model compute a few examples at a time, if the settings say so."""
    micro_batch = settings.runtime.micro_batch
    if micro_batch is not None:
        refuse_mixing(model, family.num_tokens, micro_batch)
        model.micro_batch = micro_batch
    return model


def num_train_outputs(settings: ActorSettings, family: TaskFamily) -> int:
    """Count the outputs of the model in training: joint training classifies all its classes."""
    if has_global_labels(settings, family):
        assert family.num_train_classes is not None
        return family.num_train_classes
    return family.num_outputs
