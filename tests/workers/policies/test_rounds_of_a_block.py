"""Further rounds of a block, as an actor runs them."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from small_policies import block_of, runner_of, settings_of, weights_of

from workers.settings.worker import RuntimeSettings

MAP = RuntimeSettings(execution="map", xla=False)


@pytest.fixture(scope="module")
def run():
    settings = settings_of(runtime=MAP)
    return runner_of(settings), weights_of(settings), block_of(settings, 2)


def test_a_gain_shows_beside_returns_of_any_size(run):
    """The loss includes the return, of which a float32 keeps seven digits."""
    runner, weights, block = run
    later = weights._replace(now=weights.theta + np.float32(1e-3), argument=np.zeros(0, np.float32))

    def gain(far):
        runner.episodes.clear()
        original = runner._rollout_adapter.gather

        def gather(*arguments):
            tasks = original(*arguments)
            targets = tasks.query_targets.numpy()
            targets[..., 2] -= far  # the rewards
            return tasks._replace(query_targets=tf.constant(targets))

        runner._rollout_adapter.gather = gather
        gain_of_block = runner.run(later, replace(block, round="line_search")).metrics["gain"]
        runner._rollout_adapter.gather = original
        runner.episodes.clear()
        return float(gain_of_block)

    assert gain(0.0) != 0
    np.testing.assert_allclose(gain(1e8), gain(0.0), rtol=1e-5)


ARGUMENTS = {"line_search": 0, "fisher_vector": None, "ppo": 1}


def sums(run, name, drop):
    """Run a round after the first, at another theta than the one that acted."""
    runner, weights, block = run
    runner.run(weights, block)
    if drop:
        runner.episodes.clear()
    size = ARGUMENTS[name]
    argument = np.full(weights.theta.size if size is None else size, 0.2, np.float32)
    later = weights._replace(now=weights.theta + np.float32(0.01), argument=argument)
    return runner.run(later, replace(block, round=name))


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.quick("ppo", "line_search")
def test_an_actor_that_has_lost_the_episodes_makes_the_same_again(run, name):
    first, made_again = sums(run, name, drop=False), sums(run, name, drop=True)
    np.testing.assert_array_equal(first.gradient, made_again.gradient)
    assert first.metrics == made_again.metrics
    assert np.isfinite(first.gradient).all()


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
    later = weights._replace(now=weights.theta, argument=np.float32([0.2]))
    again = runner.run(later, replace(block, round="ppo"))
    np.testing.assert_allclose(again.gradient, first.gradient, rtol=2e-3, atol=2e-3)
    assert set(again.metrics) == {*first.metrics, "kl"}
    assert float(again.metrics["kl"]) < 1e-4


def test_a_first_round_has_no_divergence(run):
    runner, weights, block = run
    assert set(runner.run(weights, block).metrics) == {"loss_before", "loss_after", "return"}
