"""Small policies in small environments."""

import functools
from typing import Any

import numpy as np

from workers.algorithms.maml import MamlAlgorithm
from workers.block import BlockRunner
from workers.meta_parameters import initial
from workers.models.mlp import GaussianMlpModel
from workers.settings.environments.navigation_task import NavigationTask
from workers.settings.worker import ActorSettings, RuntimeSettings
from workers.tasks.environments.navigation import NavigationFamily
from workers.wire.protocol import Block, Draw, Recipe, Weights
from workers.wire.tensors import to_vector

# No step is clipped, so that all that a policy does can be told apart.
TASK = NavigationTask(shots=4, queries=3, horizon=7, max_step=10.0)


def settings_of(**changes: Any) -> ActorSettings:
    common = {
        "task": TASK,
        "model": GaussianMlpModel(hidden=(6,), initial_std=0.3),
        "algorithm": MamlAlgorithm(inner_lr=0.05),
        "runtime": RuntimeSettings(xla=False),
    }
    return ActorSettings(**{**common, **changes})


def runner_of(settings: ActorSettings) -> BlockRunner:
    """Make a runner, traced once for all tests of a process: it keeps no training state."""
    return _shared(settings.model_dump_json())


@functools.cache
def _shared(settings: str) -> BlockRunner:
    return new_runner_of(ActorSettings.model_validate_json(settings))


def new_runner_of(settings: ActorSettings) -> BlockRunner:
    """Make a runner that has traced nothing."""
    return BlockRunner(settings, NavigationFamily(settings.task))


def weights_of(settings: ActorSettings) -> Weights:
    start = initial(settings, NavigationFamily(settings.task))
    return Weights(to_vector(start.theta), to_vector(start.carry), 0)


def block_of(settings: ActorSettings, num_tasks: int = 3, step: int = 2) -> Block:
    family = NavigationFamily(settings.task)
    specs = family.sample(Draw(settings.seed, "train", step), 0, num_tasks, 0, 0)
    return Block("train", step, 0, 0, num_tasks, specs)


def held_out_block_of(settings: ActorSettings, kind: Any, recipe: Recipe) -> Block:
    family = NavigationFamily(settings.task)
    specs = family.sample(Draw(1, "test", 0), 0, 3, 0, 0)
    return Block(kind, 0, 0, 0, 3, specs, recipe)


def arrays(task: Any) -> list[np.ndarray]:
    return [np.asarray(array) for array in task]
