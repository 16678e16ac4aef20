"""The inner loop in constant memory: its gradient is that of the unrolled one."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_tasks import FRESH, task

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.boil import BoilAlgorithm
from workers.algorithms.cavia import CaviaAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.meta_sgd import MetaSgdAlgorithm
from workers.algorithms.reptile import ReptileAlgorithm
from workers.inner.losses import Objective
from workers.models.mlp import MlpModel
from workers.models.registry import make_model
from workers.models.user_model import KerasModel

WAYS, SUPPORT = 3, 6
PLAIN = MlpModel(hidden=(8, 6))
BATCH_NORM = MlpModel(hidden=(8, 6), normalization="batch")
USERS = Path(__file__).parents[2] / "fakes/tasks"


def users(statistics, name="small"):
    """Batch, layer and group normalization, and dropout; or another model."""
    return KerasModel(source=f"user_models:{name}", folder=str(USERS), statistics=statistics)


STEPS = {"inner_lr": 0.25, "inner_steps": 3}
MOMENTUM = {**STEPS, "inner_optimizer": "momentum", "inner_momentum": 0.5}
MULTI = {**STEPS, "multi_step": True}
PER_STEP = {"step_statistics": True, "step_affine": True}
FIRST = {**STEPS, "first_order": True}
#: name -> (algorithm, model, whether inner steps see batches).
CASES = {
    "sgd": (MamlAlgorithm(**STEPS), PLAIN, False),
    "one step": (MamlAlgorithm(inner_lr=0.25), PLAIN, False),
    "momentum": (MamlAlgorithm(**MOMENTUM), PLAIN, False),
    "multi-step": (MamlAlgorithm(**MULTI), PLAIN, False),
    "multi-step, one step": (MamlAlgorithm(**{**MULTI, "inner_steps": 1}), PLAIN, False),
    "multi-step, momentum, batches": (MamlAlgorithm(**{**MULTI, **MOMENTUM}), PLAIN, True),
    "annealed": (MamlAlgorithm(**MULTI, multi_step_until=8), PLAIN, False),
    "anil": (AnilAlgorithm(**STEPS), PLAIN, False),
    "anil, multi-step, momentum": (AnilAlgorithm(**{**MULTI, **MOMENTUM}), BATCH_NORM, True),
    "anil that is not cut": (AnilAlgorithm(**STEPS), users("batch"), False),
    "boil": (BoilAlgorithm(**STEPS), BATCH_NORM, False),
    "boil, multi-step, momentum": (BoilAlgorithm(**{**MULTI, **MOMENTUM}), PLAIN, False),
    "meta-sgd": (MetaSgdAlgorithm(**STEPS), PLAIN, False),
    "meta-sgd, multi-step": (MetaSgdAlgorithm(**MULTI), BATCH_NORM, True),
    "meta-sgd, first order": (MetaSgdAlgorithm(**FIRST), PLAIN, False),
    "layer rates": (MamlAlgorithm(**MULTI, layer_rates=True), BATCH_NORM, True),
    "layer rates, first order, momentum": (
        MamlAlgorithm(**{**MOMENTUM, **FIRST}, layer_rates=True),
        users("running"),
        False,
    ),
    "layer rates, anil": (AnilAlgorithm(**MOMENTUM, layer_rates=True), PLAIN, False),
    "cavia": (CaviaAlgorithm(**MULTI, context_size=3), PLAIN, True),
    "per step": (MamlAlgorithm(**MULTI, **PER_STEP), users("running"), False),
    "per step, meta-sgd": (MetaSgdAlgorithm(**STEPS, step_affine=True), BATCH_NORM, True),
    "batch normalization": (MamlAlgorithm(**STEPS), BATCH_NORM, False),
    "running statistics": (MamlAlgorithm(**MOMENTUM), users("running"), True),
    "support statistics": (
        MamlAlgorithm(**MULTI),
        MlpModel(hidden=(8,), normalization="batch", statistics="support"),
        False,
    ),
    "dropout": (MamlAlgorithm(**MULTI), users("batch"), False),
    "frozen layer": (MamlAlgorithm(**STEPS), users("batch", "frozen"), False),
    "clipped": (MamlAlgorithm(**MOMENTUM, inner_clip=0.3), PLAIN, False),
    "first order": (MamlAlgorithm(**FIRST), users("batch"), False),
    "first order, running": (MamlAlgorithm(**FIRST), users("running"), False),
    "first order, multi-step": (MamlAlgorithm(**{**FIRST, **MULTI}), PLAIN, True),
    "first order, adam": (MamlAlgorithm(**FIRST, inner_optimizer="adam"), PLAIN, True),
    "reptile": (ReptileAlgorithm(inner_lr=0.25), users("running"), True),
    "reptile, adam": (ReptileAlgorithm(inner_lr=0.1, inner_optimizer="adam"), PLAIN, True),
}
#: In which each kind of tensor that a loop carries is, and each that it sees; others are slow.
QUICK = {
    "sgd",
    "anil, multi-step, momentum",
    "meta-sgd, multi-step",
    "layer rates, first order, momentum",
    "layer rates, anil",
    "per step, meta-sgd",
    "running statistics",
    "first order, adam",
    "frozen layer",
}


def make_problem(algorithm, settings, batches):
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(5)
    plain = make_model(settings, (5,), WAYS, context_size=algorithm.num_context)
    model = algorithm.learned(plain)
    theta = [tf.constant(w + 0.2 * rng.normal(size=w.shape)) for w in model.initial_weights()]
    extras = algorithm.extras(model)
    theta += [tf.constant(rng.uniform(0.1, 0.4, extra.shape)) for extra in extras]

    def examples():
        return rng.normal(size=(SUPPORT, 5)), np.arange(SUPPORT, dtype=np.int32) % WAYS

    chosen = np.array([[0, 1, 2], [3, 4, 5], [1, 3, 5]], np.int32) if batches else None
    one = task(examples(), examples(), chosen)
    statistics = [tf.constant(value) for value in model.initial_statistics()]
    start = FRESH._replace(state=model.start(statistics, one.seed), outer_step=2)
    return model, theta, start, one


def outer_gradient(name, recompute):
    algorithm, settings, batches = CASES[name]
    model, theta, start, one = make_problem(algorithm, settings, batches)
    objective = Objective(
        model, "cross_entropy", "mean", WAYS, settings.statistics, recompute=recompute
    )

    @tf.function(autograph=False)
    def graph(theta, one):
        return algorithm.outer_gradient(objective, theta, start, one)

    return graph(theta, one)


@pytest.mark.quick("sgd", "frozen layer", "anil, multi-step, momentum")
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in CASES],
)
def test_recomputing_gives_the_gradient_of_the_unrolled_loop(name):
    """Rounding alone is different: float64 has sixteen digits."""
    unrolled, looped = (outer_gradient(name, recompute) for recompute in (False, True))
    assert tf.nest.map_structure(lambda x: x.dtype, looped[0]) == [tf.float64] * len(unrolled[0])
    assert max(np.abs(g).max() for g in unrolled[0]) > 1e-3
    for one, other in zip(tf.nest.flatten(unrolled), tf.nest.flatten(looped), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-9)


def num_operations(name, inner_steps):
    """Count the operations of a block's graph, those of its functions too."""
    algorithm, settings, batches = CASES[name]
    algorithm = algorithm.model_copy(update={"inner_steps": inner_steps})
    model, theta, start, one = make_problem(algorithm, settings, batches)
    objective = Objective(model, "cross_entropy", "mean", WAYS, recompute=True)

    @tf.function(autograph=False)
    def graph(theta, one):
        return algorithm.outer_gradient(objective, theta, start, one)

    theta = [tf.cast(w, tf.float32) for w in theta]
    one = one._replace(
        support_inputs=tf.cast(one.support_inputs, tf.float32),
        query_inputs=tf.cast(one.query_inputs, tf.float32),
    )
    definition = graph.get_concrete_function(theta, one).graph.as_graph_def()
    functions = definition.library.function
    return len(definition.node) + sum(len(function.node_def) for function in functions)


@pytest.mark.parametrize("name", ["multi-step", "first order, adam", "reptile, adam"])
def test_the_graph_does_not_grow_with_the_number_of_inner_steps(name):
    """Zeros that are large enough are an operation more."""
    assert num_operations(name, 40) < 1.05 * num_operations(name, 2)
