"""The success rate of policies, where environments say of a step that it is one."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gymnasium")

from workers.algorithms.maml import MamlAlgorithm
from workers.block import BlockRunner
from workers.losses.registry import loss_of
from workers.meta_parameters import initial
from workers.models.linear import LinearModel
from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.varied import Varied
from workers.settings.worker import ActorSettings, RuntimeSettings
from workers.tasks.environments.family import has_environments
from workers.tasks.environments.gym_check import success_of
from workers.tasks.registry import make_family
from workers.wire.protocol import Block, Draw, Recipe, Weights
from workers.wire.tensors import to_vector

FOLDER = str(Path(__file__).parents[2] / "fakes/tasks")


def evaluated(name, *blocks):
    """The metrics of four held-out tasks, in blocks from, to."""
    right = {"right": Varied(choice=(1.0, 2.0))}
    task = GymTask(environment=f"small_gym:{name}", folder=FOLDER, vary=right, horizon=5)
    settings = ActorSettings(
        task=task,
        model=LinearModel(),
        algorithm=MamlAlgorithm(inner_lr=5.0),
        runtime=RuntimeSettings(xla=False),
    )
    family = make_family(task)
    assert has_environments(family)
    start = initial(settings, family)
    weights = Weights(to_vector(start.theta), to_vector(start.carry), 0)
    runner, results = BlockRunner(settings, family), []
    for lo, hi in blocks:
        specs = family.sample(Draw(0, "test", 0), lo, hi, 0, 0)
        block = Block("evaluate", 0, 0, lo, hi, specs, Recipe(5.0, 1))
        results.append(runner.run(weights, block).metrics)
    return family, {key: np.concatenate([each[key] for each in results]) for key in results[0]}


def test_an_episode_is_a_success_if_any_of_its_steps_is():
    """Its return is 1 if the middle step of three is a success, else 0."""
    family, metrics = evaluated("Lucky", (0, 4))
    assert [metric.name for metric in loss_of(family).metrics] == ["return", "success"]
    assert loss_of(family).main.name == "return"
    np.testing.assert_allclose(metrics["success"], metrics["return"], rtol=1e-6)
    assert (metrics["success"][:, 0] > 0).all()
    assert (metrics["success"][:, 1] > metrics["success"][:, 0]).all()


def test_a_task_s_success_does_not_depend_on_its_block():
    whole, parts = (evaluated("Lucky", *blocks)[1] for blocks in [[(0, 4)], [(0, 1), (1, 4)]])
    np.testing.assert_array_equal(whole["success"], parts["success"])


def test_environments_that_do_not_say_have_no_success_rate():
    family, metrics = evaluated("Switch", (0, 4))
    assert not family.reports_success
    assert set(metrics) == {"return"}


@pytest.mark.parametrize(
    ("info", "success"),
    [
        ({"success": True}, True),
        ({"success": 0.0}, False),
        ({"is_success": np.float32(1)}, True),
        ({"is_success": np.array([False])}, False),
        ({"success": False, "is_success": True}, False),
        ({"succeeded": True}, None),
        ({}, None),
        (None, None),
    ],
)
def test_what_an_environment_says_of_a_step(info, success):
    assert success_of(info) is success
