"""Further rounds on a step's episodes."""

import numpy as np
import pytest
import tensorflow as tf
from enumerated_episodes import (
    EPISODES,
    REWARDS,
    SEEN,
    adapted,
    episodes_of,
    episodes_with,
    logits_of,
)
from small_policies import settings_of
from small_tasks import FRESH, task

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.boil import BoilAlgorithm
from workers.algorithms.cavia import CaviaAlgorithm
from workers.algorithms.joint import JointAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.meta_sgd import MetaSgdAlgorithm
from workers.inner.inner_loop import InnerState, Plan, batch, inner_step
from workers.inner.optimizers import Sgd
from workers.models.linear import LinearModel
from workers.models.mlp import MlpModel
from workers.models.registry import make_model
from workers.policies.distributions import Categorical
from workers.policies.loss import PolicyLoss, PolicyObjective
from workers.policies.rounds import Rounds
from workers.settings.worker import RuntimeSettings
from workers.wire.protocol import Task

MAP = RuntimeSettings(execution="map", xla=False)
STEP = 1e-5
RNG = np.random.default_rng(3)
THETA = [RNG.normal(size=(3, 2)), RNG.normal(size=2)]
NOTHING = np.zeros(0)


def problem(algorithm):
    """Rounds over a single task of enumerated episodes, made from THETA, and its parts."""
    settings = settings_of(algorithm=algorithm, model=LinearModel(), runtime=MAP)
    model, loss = make_model(LinearModel(), (3,), 2), PolicyLoss(Categorical(2), 2, "dice")
    objective = PolicyObjective(model, loss, {"kl": loss.kl})
    rate, steps = algorithm.inner_lr, getattr(algorithm, "inner_steps", 0)
    *support, queries = (episodes_of(adapted(THETA, rate, k)) for k in range(steps + 1))
    support = support or [queries]
    batches = np.arange(8 * len(support), dtype=np.int32).reshape(-1, 8)
    one = task(map(np.concatenate, zip(*support, strict=True)), queries, batches)
    return settings, objective, one, Rounds(settings, model, objective)


def problem_of_layers(algorithm):
    """Make a problem as above, for a policy with a hidden layer whose weights learn differently."""
    layers = MlpModel(hidden=(3,), activation="tanh")
    settings = settings_of(algorithm=algorithm, model=layers, runtime=MAP)
    model = make_model(layers, (3,), 2, context_size=algorithm.num_context)
    loss = PolicyLoss(Categorical(2), 2, "dice")
    objective = PolicyObjective(model, loss, {"kl": loss.kl})
    theta = [RNG.normal(size=w.shape) for w in model.initial_weights()]
    if algorithm.kind == "meta_sgd":
        theta += [RNG.uniform(0.1, 0.5, size=w.shape) for w in theta]

    def acted(inner_state):
        return episodes_with(model.apply(inner_state.theta, [], tf.constant(SEEN.reshape(8, 3)))[0])

    weights = [tf.constant(w) for w in theta]
    inner_state, plan = algorithm.start_inner_loop(model, weights, FRESH, algorithm.inner_lr)
    support = acted(inner_state)
    batches = np.arange(8, dtype=np.int32).reshape(1, 8)
    inner_state, _ = inner_step(objective.inner, inner_state, support, plan, 0)
    one = task(support, acted(inner_state), batches)
    return theta, settings, objective, one, Rounds(settings, model, objective)


def look(rounds, one, name, now, argument=NOTHING):
    """Run a round on one task, traced once."""
    single = Task(*(array[None] for array in one))
    carry, step = tf.constant(NOTHING), tf.constant(0)
    flat = tf.concat([tf.reshape(w, [-1]) for w in now], 0)
    vector, metrics = rounds.run(
        name, 0, argument.shape, flat, tf.constant(argument), carry, step, single
    )
    return vector.numpy(), {key: float(value) for key, value in metrics.items()}


def slow(algorithm):
    return pytest.param(algorithm, marks=pytest.mark.slow)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "algorithm",
    [
        MamlAlgorithm(inner_lr=0.3),
        slow(MamlAlgorithm(inner_lr=0.3, inner_steps=2)),
        slow(MamlAlgorithm(inner_lr=0.3, inner_steps=2, multi_step=True)),
        JointAlgorithm(),
    ],
)
def test_the_curvature_of_the_divergence_equals_finite_differences_through_adaptation(algorithm):
    """The queries' policies are the adapted ones; the divergence is from what these did."""
    check_curvature(THETA, *problem(algorithm))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "algorithm",
    [
        slow(AnilAlgorithm(inner_lr=0.3)),
        slow(BoilAlgorithm(inner_lr=0.3)),
        MetaSgdAlgorithm(inner_lr=0.3),
        slow(CaviaAlgorithm(inner_lr=0.3, context_size=2)),
    ],
)
def test_so_does_that_of_weights_that_do_not_all_adapt_alike(algorithm):
    check_curvature(*problem_of_layers(algorithm))


def check_curvature(theta, settings, objective, one, rounds):
    now = [tf.constant(w) for w in theta]

    def slope(theta):
        with tf.GradientTape() as tape:
            tape.watch(theta)
            _, _, metrics = settings.algorithm.outer_loss(objective, theta, FRESH, one)
        gradient = tape.gradient(metrics["kl"], theta, unconnected_gradients="zero")
        return np.concatenate([g.numpy().ravel() for g in gradient])

    along = [RNG.normal(size=w.shape) for w in theta]
    ahead, behind = (
        slope([w + sign * STEP * v for w, v in zip(now, along, strict=True)]) for sign in (1, -1)
    )
    flat = np.concatenate([v.ravel() for v in along])
    product, _ = look(rounds, one, "fisher_vector", now, flat)
    np.testing.assert_allclose(product, (ahead - behind) / (2 * STEP), rtol=1e-6, atol=1e-9)
    assert np.linalg.norm(product) > 1e-3


@pytest.mark.usefixtures("float64")
def test_a_line_gives_the_gain_and_the_divergence_where_it_looks():
    *_, one, rounds = problem(JointAlgorithm())
    vector, here = look(rounds, one, "line_search", [tf.constant(w) for w in THETA])
    assert not vector.any()
    assert here == pytest.approx({"gain": 0, "kl": 0}, abs=1e-12)
    now = [w + 0.5 * RNG.normal(size=w.shape) for w in THETA]
    _, elsewhere = look(rounds, one, "line_search", [tf.constant(w) for w in now])
    assert elsewhere["kl"] > 1e-3
    advantages = one.query_targets.numpy().reshape(4, 2, 6)[..., 2]
    ratio = probabilities(now) / probabilities(THETA)
    np.testing.assert_allclose(elsewhere["gain"], ((ratio - 1) * advantages).mean())


def probabilities(theta):
    """Compute the probability of the action of each step, [4, 2]."""
    inputs, _ = episodes_of(THETA)
    logits = inputs @ theta[0] + theta[1]
    chosen = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return chosen[np.arange(8), EPISODES.ravel()].reshape(4, 2)


@pytest.mark.usefixtures("float64")
def test_ratios_count_no_further_than_the_clip():
    *_, one, rounds = problem(JointAlgorithm())
    now = [w + 0.5 * RNG.normal(size=w.shape) for w in THETA]
    most = 0.1
    ratio = probabilities(now) / probabilities(THETA)
    assert (np.abs(ratio - 1) > most).any()
    advantages = one.query_targets.numpy().reshape(4, 2, 6)[..., 2]
    bounded = np.clip(ratio, 1 - most, 1 + most)
    gain = np.minimum(ratio * advantages, bounded * advantages) - advantages
    expected = -REWARDS.sum(1).mean() - gain.mean()
    weights = [tf.constant(w) for w in now]
    vector, metrics = look(rounds, one, "ppo", weights, np.array([most]))
    # joint's loss is over support and queries together, which are the same episodes.
    np.testing.assert_allclose(metrics["loss_after"], expected)
    free, _ = look(rounds, one, "ppo", weights, np.array([1e9]))
    assert not np.allclose(vector, free)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "algorithm",
    [
        JointAlgorithm(),
        MamlAlgorithm(inner_lr=0.3),
        slow(MamlAlgorithm(inner_lr=0.3, inner_steps=2)),
    ],
)
def test_a_penalty_is_on_what_policies_do_at_the_start_of_inner_steps(algorithm):
    _, objective, one, rounds = problem(algorithm)
    now = np.concatenate([w.ravel() for w in THETA]) + 0.5 * RNG.normal(size=8)
    count = getattr(algorithm, "inner_steps", 1)

    def kl(flat):
        """Compute the KL divergence from the policies that acted, mean over inner steps."""
        inner_state, by_step = InnerState(list(map(tf.constant, split(flat))), [], []), []
        for step in range(count):
            did = tf.nn.softmax(logits_of(adapted(THETA, algorithm.inner_lr, step)))
            do = tf.nn.softmax(logits_of(inner_state.theta))
            by_step.append(tf.reduce_mean(tf.reduce_sum(did * tf.math.log(did / do), axis=-1)))
            plan = Plan(Sgd(algorithm.inner_lr), [True, True])
            inner_state, _ = inner_step(objective.inner, inner_state, batch(one, step), plan, step)
        return np.mean(by_step)

    slope = [(kl(now + STEP * unit) - kl(now - STEP * unit)) / (2 * STEP) for unit in np.eye(8)]
    weights = [tf.constant(w) for w in split(now)]
    free, metrics = look(rounds, one, "ppo", weights, np.array([0.1]))
    held, the_same = look(rounds, one, "ppo", weights, np.array([0.1, 3.0]))
    np.testing.assert_allclose(held - free, 3 * np.array(slope), rtol=1e-6, atol=1e-9)
    assert np.linalg.norm(slope) > 1e-2
    assert metrics == the_same


def split(flat):
    return [flat[:6].reshape(3, 2), flat[6:]]
