"""A user's Keras model as a policy."""

from pathlib import Path

import numpy as np
import pytest
from small_policies import TASK, block_of, held_out_block_of, runner_of, settings_of, weights_of

from workers.algorithms.joint import JointAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.model_checks.user_model import check_model
from workers.models.user_model import KerasModel
from workers.tasks.environments.navigation import NavigationFamily
from workers.wire.protocol import Recipe

FOLDER = str(Path(__file__).parents[2] / "fakes/tasks")


def of(name, **options):
    return KerasModel(source=f"user_models:{name}", folder=FOLDER, **options)


def check(name, statistics="batch", algorithm=None):
    model = of(name, statistics=statistics)
    settings = settings_of(model=model, algorithm=algorithm or MamlAlgorithm())
    return check_model(settings, NavigationFamily(TASK))


@pytest.mark.slow
def test_it_acts_adapts_and_learns():
    settings = settings_of(model=of("policy"), algorithm=MamlAlgorithm(inner_lr=0.1))
    check_model(settings, NavigationFamily(TASK))
    runner, weights = runner_of(settings), weights_of(settings)
    gradient = runner.run(weights, block_of(settings)).gradient
    assert np.isfinite(gradient).all()
    assert np.linalg.norm(gradient) > 0
    block = held_out_block_of(settings, "evaluate", Recipe(0.1, 2))
    returns = runner.run(weights, block).metrics["return"]
    assert returns.shape == (3, 3)
    assert (returns[:, 1] != returns[:, 0]).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("noisy_policy", "draws random numbers"),
        ("policy_of_batches", "normalizes by batches"),
        ("half_a_policy", r"needs? means of actions, then logarithms .* \[batch, 4\] float32"),
    ],
)
def test_what_cannot_be_a_policy_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        check(name)


def test_running_statistics_are_refused_too():
    with pytest.raises(ValueError, match="normalizes by batches"):
        check("policy_of_batches", "running", JointAlgorithm())


def test_a_policy_is_no_encoder():
    with pytest.raises(ValueError, match=r"model\.encoder = True puts a head for classes"):
        settings_of(model=of("policy", encoder=True))
