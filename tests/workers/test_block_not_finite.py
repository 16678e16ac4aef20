"""Blocks whose weights, gradients or sums are not finite."""

import numpy as np
import pytest
from small_blocks import CASES, MAP, VECTORIZED, setup
from small_families import (
    NoiseFamily,
    sinusoid_settings,
    train_block,
)
from small_tasks import at

from workers.algorithms.maml import MamlAlgorithm
from workers.models.linear import LinearModel
from workers.settings.worker import RuntimeSettings
from workers.wire.errors import NonFiniteError


@pytest.mark.parametrize("index", [0, -1], ids=["first layer", "head"])
@pytest.mark.parametrize("runtime", [MAP, VECTORIZED], ids=["map", "vectorized"])
def test_weights_that_are_not_finite_are_refused_by_name(runtime, index):
    settings = CASES["maml, sinusoid"]
    runner, family, theta = setup(settings, runtime)
    theta[index] = np.nan
    with pytest.raises(NonFiniteError, match="the weights are not finite at step 7"):
        runner.run(at(theta), train_block(settings, family, 0, 4, step=7))


def test_an_exploding_inner_rate_is_refused_by_step_and_task():
    settings = sinusoid_settings(model=LinearModel(), algorithm=MamlAlgorithm(inner_lr=1e30))
    runner, family, theta = setup(settings)
    with pytest.raises(NonFiniteError, match="step 7, task 4: gradient not finite"):
        runner.run(at(theta), train_block(settings, family, 4, 6, step=7))


@pytest.mark.parametrize("runtime", [MAP, RuntimeSettings()], ids=["map", "shipped"])
def test_the_one_task_that_explodes_is_named(runtime):
    settings = CASES["maml, sinusoid"]
    runner, family, theta = setup(settings, runtime)
    block = train_block(settings, family, 4, 8, step=7)
    block.specs["amplitude"][2] = 1e30
    with pytest.raises(NonFiniteError, match="step 7, task 6: gradient not finite") as raised:
        runner.run(at(theta), block)
    assert "loss_before" in str(raised.value)


def test_joint_names_the_task_by_training_classes_too():
    class OneBadTask(NoiseFamily):
        def build(self, specs, *, global_labels=False):
            episode = super().build(specs, global_labels=global_labels)
            episode.query_inputs[specs["query_seeds"][:, 0, 0] == 0] = np.inf
            return episode

    settings = CASES["joint"]
    runner, family, theta = setup(settings, family=OneBadTask())
    block = train_block(settings, family, 0, 3, step=7)
    block.specs["query_seeds"][1, 0, 0] = 0
    with pytest.raises(NonFiniteError, match="step 7, task 1: gradient not finite"):
        runner.run(at(theta), block)


def test_finite_tasks_whose_sum_overflows_are_named_together():
    settings = sinusoid_settings(
        model=LinearModel(), algorithm=MamlAlgorithm(inner_lr=1e-30, first_order=True)
    )
    runner, family, theta = setup(settings)
    block = train_block(settings, family, 2, 4, step=7)
    # The gradient of task i is about -2 mean(y) = 2e38 for the bias: finite, but not twice.
    block.specs.update(
        {
            "amplitude": np.full(2, -1e38),
            "phase": np.full(2, -np.pi / 2),
            "support_x": np.zeros((2, 5)),
            "query_x": np.zeros((2, 5)),
        }
    )
    with pytest.raises(NonFiniteError, match="step 7, tasks 2 to 3: their sum is not finite"):
        runner.run(at(theta), block)
