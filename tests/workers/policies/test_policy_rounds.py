"""Further looks at a step's episodes."""

from dataclasses import replace

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
from small_policies import block_of, runner_of, settings_of, weights_of
from small_tasks import FRESH, task

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.boil import BoilAlgorithm
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
    """As `problem`, of a policy with a hidden layer whose weights do not all learn alike."""
    layers = MlpModel(hidden=(3,), activation="tanh")
    settings = settings_of(algorithm=algorithm, model=layers, runtime=MAP)
    model, loss = make_model(layers, (3,), 2), PolicyLoss(Categorical(2), 2, "dice")
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
    """At one task, which is traced once; blocks of several are looked at below."""
    single = Task(*(array[None] for array in one))
    given = tf.constant(NOTHING), tf.constant(0)
    flat = tf.concat([tf.reshape(w, [-1]) for w in now], 0)
    vector, metrics = rounds.run(name, argument.shape, flat, tf.constant(argument), *given, single)
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
    """The queries' policies are the adapted ones; divergence is from what was done then."""
    check_curvature(THETA, *problem(algorithm))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "algorithm",
    [
        slow(AnilAlgorithm(inner_lr=0.3)),
        slow(BoilAlgorithm(inner_lr=0.3)),
        MetaSgdAlgorithm(inner_lr=0.3),
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
        found = tape.gradient(metrics["kl"], theta)
        return np.concatenate([g.numpy().ravel() for g in found])

    along = [RNG.normal(size=w.shape) for w in theta]
    ahead, behind = (
        slope([w + sign * STEP * v for w, v in zip(now, along, strict=True)]) for sign in (1, -1)
    )
    flat = np.concatenate([v.ravel() for v in along])
    found, _ = look(rounds, one, "fisher_vector", now, flat)
    np.testing.assert_allclose(found, (ahead - behind) / (2 * STEP), rtol=1e-6, atol=1e-9)
    assert np.linalg.norm(found) > 1e-3


@pytest.mark.usefixtures("float64")
def test_a_line_gives_the_gain_and_the_divergence_where_it_looks():
    *_, one, rounds = problem(JointAlgorithm())
    vector, here = look(rounds, one, "line_search", [tf.constant(w) for w in THETA])
    assert not vector.any()
    assert here == pytest.approx({"gain": 0, "kl": 0}, abs=1e-12)
    now = [w + 0.5 * RNG.normal(size=w.shape) for w in THETA]
    _, there = look(rounds, one, "line_search", [tf.constant(w) for w in now])
    assert there["kl"] > 1e-3
    advantages = one.query_targets.numpy().reshape(4, 2, 6)[..., 2]
    ratio = probabilities(now) / probabilities(THETA)
    np.testing.assert_allclose(there["gain"], ((ratio - 1) * advantages).mean())


def test_a_gain_shows_beside_returns_of_any_size(run):
    """The loss has the return in it, of which a float32 keeps seven digits."""
    runner, weights, block = run
    asked = weights._replace(now=weights.theta + np.float32(1e-3), argument=np.zeros(0, np.float32))

    def gain(far):
        runner.episodes.clear()
        kept = runner._rollout_adapter.gather

        def gather(*given):
            tasks = kept(*given)
            targets = tasks.query_targets.numpy()
            targets[..., 2] -= far  # the rewards
            return tasks._replace(query_targets=tf.constant(targets))

        runner._rollout_adapter.gather = gather
        found = runner.run(asked, replace(block, round="line_search")).metrics["gain"]
        runner._rollout_adapter.gather = kept
        runner.episodes.clear()
        return float(found)

    assert gain(0.0) != 0
    np.testing.assert_allclose(gain(1e8), gain(0.0), rtol=1e-5)


def probabilities(theta):
    """Of what was done at each step, [4, 2]."""
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
    given = [tf.constant(w) for w in now]
    vector, metrics = look(rounds, one, "ppo", given, np.array([most]))
    # joint's loss is over support and queries together, which are the same episodes.
    np.testing.assert_allclose(metrics["loss_after"], expected)
    free, _ = look(rounds, one, "ppo", given, np.array([1e9]))
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

    def divergence(flat):
        """From the policies that made the episodes, to those that adapt by the same episodes."""
        inner_state, found = InnerState(list(map(tf.constant, split(flat))), [], []), []
        for step in range(count):
            did = tf.nn.softmax(logits_of(adapted(THETA, algorithm.inner_lr, step)))
            do = tf.nn.softmax(logits_of(inner_state.theta))
            found.append(tf.reduce_mean(tf.reduce_sum(did * tf.math.log(did / do), axis=-1)))
            plan = Plan(Sgd(algorithm.inner_lr), [True, True])
            inner_state, _ = inner_step(objective.inner, inner_state, batch(one, step), plan, step)
        return np.mean(found)

    slope = [
        (divergence(now + STEP * each) - divergence(now - STEP * each)) / (2 * STEP)
        for each in np.eye(8)
    ]
    given = [tf.constant(w) for w in split(now)]
    free, metrics = look(rounds, one, "ppo", given, np.array([0.1]))
    held, the_same = look(rounds, one, "ppo", given, np.array([0.1, 3.0]))
    np.testing.assert_allclose(held - free, 3 * np.array(slope), rtol=1e-6, atol=1e-9)
    assert np.linalg.norm(slope) > 1e-2
    assert metrics == the_same


def split(flat):
    return [flat[:6].reshape(3, 2), flat[6:]]


@pytest.fixture(scope="module")
def run():
    settings = settings_of(runtime=MAP)
    return runner_of(settings), weights_of(settings), block_of(settings, 2)


ARGUMENTS = {"line_search": 0, "fisher_vector": None, "ppo": 1}


def sums(run, name, drop):
    """A round after the first, away from where the episodes were made."""
    runner, weights, block = run
    runner.run(weights, block)
    if drop:
        runner.episodes.clear()
    size = ARGUMENTS[name]
    argument = np.full(weights.theta.size if size is None else size, 0.2, np.float32)
    asked = weights._replace(now=weights.theta + np.float32(0.01), argument=argument)
    return runner.run(asked, replace(block, round=name))


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_actor_that_has_lost_the_episodes_makes_the_same_again(run, name):
    kept, made_again = sums(run, name, drop=False), sums(run, name, drop=True)
    np.testing.assert_array_equal(kept.gradient, made_again.gradient)
    assert kept.metrics == made_again.metrics
    assert np.isfinite(kept.gradient).all()


def test_episodes_are_made_once_for_all_rounds_of_a_step(run, monkeypatch):
    runner, weights, block = run
    runner.episodes.clear()
    made = []
    gather = runner._rollout_adapter.gather
    monkeypatch.setattr(
        runner._rollout_adapter, "gather", lambda *given: made.append(given) or gather(*given)
    )
    for name in ARGUMENTS:
        sums(run, name, drop=False)
    assert len(made) == 1
    runner.run(weights._replace(theta=weights.theta * 1.1), block)
    runner.run(weights, replace(block, step=block.step + 1))
    assert len(made) == 3


def test_clipped_at_the_weights_that_acted_is_the_outer_gradient(run):
    runner, weights, block = run
    first = runner.run(weights, block)
    asked = weights._replace(now=weights.theta, argument=np.float32([0.2]))
    again = runner.run(asked, replace(block, round="ppo"))
    np.testing.assert_allclose(again.gradient, first.gradient, rtol=2e-3, atol=2e-3)
    assert set(again.metrics) == {*first.metrics, "kl"}
    assert float(again.metrics["kl"]) < 1e-4


def test_a_first_round_has_no_divergence(run):
    runner, weights, block = run
    assert set(runner.run(weights, block).metrics) == {"loss_before", "loss_after", "return"}
