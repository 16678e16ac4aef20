"""Reptile's published outer steps, each against its formula over the adapted weights."""

import numpy as np
import pytest
from small_configs import REPTILE, sinusoid
from small_runs import in_process

from orchestrator.loop import meta_train
from orchestrator.outer.blocks import train_blocks
from orchestrator.outer.update import OuterUpdate
from workers.wire.protocol import Weights

STEPS, RATE = 4, 0.5


def interpolation_that_decays(theta, mean, step, memory):
    """Nichol et al. 2018: epsilon falls linearly to 0 over the run."""
    epsilon = RATE * (1 - step / STEPS)
    return theta + epsilon * (mean - theta)


def interpolation(theta, mean, step, memory):
    """SGD without decay, as learn2learn has it."""
    return theta + RATE * (mean - theta)


def adam(theta, mean, step, memory):
    """Adam with theta - mean in place of a gradient (Kingma and Ba 2015, end of section 2)."""
    gradient = theta - mean
    memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * gradient
    memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * gradient**2
    rate = 0.01 * np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
    return theta - rate * memory["m"] / (np.sqrt(memory["v"]) + 1e-7)


CASES = {
    "Nichol": (["outer.schedule=linear"], interpolation_that_decays),
    "without decay": (["outer.schedule=constant"], interpolation),
    "Adam": (["outer.optimizer=adam", "outer.lr=0.01"], adam),
}


@pytest.mark.parametrize("name", CASES)
def test_the_outer_step_is_the_published_one(name):
    overrides, formula = CASES[name]
    config = sinusoid(
        *REPTILE,
        f"outer.steps={STEPS}",
        "workers.block_size=1",
        "algorithm.inner_steps=2",
        *overrides,
    )
    launch = in_process(config)
    outer = OuterUpdate(config.outer, launch.initial_state())
    theta, memory = outer.theta.astype(np.float64), {}
    for report in meta_train(config, launch.family, launch.pool, outer):
        step = report.step - 1
        weights = Weights(theta.astype(np.float32), np.zeros(0, np.float32), step)
        tasks = launch.pool.run(weights, train_blocks(config, launch.family, step))
        adapted = [weights.theta - task.gradient.astype(np.float64) for task in tasks]
        assert len(adapted) == config.outer.meta_batch_size
        moved = formula(theta, np.mean(adapted, axis=0), step, memory)
        assert np.abs(moved - theta).max() > 1e-3
        np.testing.assert_allclose(outer.theta, moved, rtol=1e-3, atol=2e-5)
        theta = moved
