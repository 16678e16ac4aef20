"""Every algorithm with every normalization and inner optimizer: 0, 1, 2 or 3 workers, one theta.

Starting actors for each combination would take an hour. Here two processes serve all of them and
stand for up to three workers: what is compared is what RayPool sends, cut as it cuts it.
"""

from collections.abc import Sequence
from typing import Any

import pytest
import ray
from small_configs import navigation, sinusoid
from small_ray import running_ray
from small_runs import in_process
from small_voices import voices

from orchestrator.config import MetaConfig
from orchestrator.loop import meta_train
from orchestrator.outer import OuterUpdate
from orchestrator.work import leaves
from workers.protocol import Block, Contribution, Weights
from workers.tensors import sha256
from workers.wire import unpack

pytestmark = pytest.mark.ray

ALGORITHMS = {
    "maml": ["algorithm.kind=maml"],
    "maml, momentum": ["algorithm.kind=maml", "algorithm.inner_optimizer=momentum"],
    "maml, multi-step": ["algorithm.kind=maml", "algorithm.multi_step=true"],
    "fomaml": ["algorithm.kind=maml", "algorithm.first_order=true"],
    "fomaml, adam, persistent": [
        "algorithm.kind=maml",
        "algorithm.first_order=true",
        "algorithm.inner_optimizer=adam",
        "algorithm.inner_moments=persistent",
    ],
    "anil": ["algorithm.kind=anil"],
    "anil, momentum, persistent": [
        "algorithm.kind=anil",
        "algorithm.inner_optimizer=momentum",
        "algorithm.inner_moments=persistent",
    ],
    "boil": ["algorithm.kind=boil"],
    "meta-sgd": ["algorithm.kind=meta_sgd"],
    "reptile": ["algorithm.kind=reptile", "algorithm.inner_steps=2"],
    "reptile, momentum": [
        "algorithm.kind=reptile",
        "algorithm.inner_steps=2",
        "algorithm.inner_optimizer=momentum",
    ],
    "reptile, adam, persistent": [
        "algorithm.kind=reptile",
        "algorithm.inner_steps=2",
        "algorithm.inner_optimizer=adam",
        "algorithm.inner_moments=persistent",
    ],
    "joint": ["algorithm.kind=joint"],
}
NORMALIZATIONS = {
    "none": ["model.normalization=none"],
    "batch": ["model.normalization=batch"],
    "support statistics": ["model.normalization=batch", "model.statistics=support"],
    "running statistics": ["model.normalization=batch", "model.statistics=running"],
    "layer": ["model.normalization=layer"],
    "group": ["model.normalization=group", "model.groups=2"],
}
POLICIES = {
    "maml": [],
    "maml, per step": ["task.curvature=per_step", "algorithm.inner_steps=2"],
    "fomaml": ["algorithm.first_order=true"],
    "reptile": ["algorithm.kind=reptile", "algorithm.inner_steps=2"],
    "joint": ["algorithm.kind=joint"],
    "multi-step": [
        "algorithm.inner_steps=2",
        "algorithm.multi_step=true",
        "algorithm.later_lr=0.5",
        "outer.epochs=2",
        "task.curvature=per_step",
    ],
    "trpo": ["outer.optimizer=trpo", "outer.conjugate_steps=2", "outer.line_search=3"],
    "promp": ["outer.epochs=3", "outer.divergence_penalty=0.5", "task.curvature=per_step"],
}
CARRYING = ("running statistics", "persistent")


@pytest.fixture(scope="module")
def processes():
    """Two actors that run the blocks of any configuration."""

    class AnyBlocks:
        def __init__(self) -> None:
            from workers import runtime

            runtime.start_tensorflow(0)
            self._actors: dict[str, Any] = {}

        def run(self, settings: Any, weights: Any, blocks: Any) -> Any:
            from workers.actor import BlockActor

            key = settings.model_dump_json()
            if key not in self._actors:
                self._actors = {key: BlockActor(settings, gpus=0)}
                self._actors[key].build([])
            return self._actors[key].run(weights, blocks)

    with running_ray(num_cpus=2):
        yield [ray.remote(num_cpus=1)(AnyBlocks).remote() for _ in range(2)]


class Processes:
    """A pool of `count` workers; nodes go round, and come back last first."""

    def __init__(self, config: MetaConfig, actors: Sequence[Any], count: int):
        self._settings, self._actors, self._count = config.worker, actors[:count], count

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        answers = [
            self._actors[i % len(self._actors)].run.remote(self._settings, weights, work.blocks)
            for i, work in enumerate(leaves(blocks, self._count))
        ]
        return [unpack(ray.get(answer)) for answer in reversed(answers)]


def identity(launch, pool) -> tuple[str, str]:
    """sha256 of theta and of the carry after three steps."""
    outer = OuterUpdate(launch.config.outer, launch.initial_state())
    for _ in meta_train(launch.config, launch.family, pool, outer):
        pass
    state = outer.state()
    return sha256(state.theta), sha256(list(state.carry.values()))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_theta_and_the_carry_do_not_depend_on_the_number_of_workers(
    processes, algorithm, normalization
):
    config = sinusoid(
        *ALGORITHMS[algorithm],
        *NORMALIZATIONS[normalization],
        "outer.steps=3",
        "outer.meta_batch_size=8",
    )
    launch = in_process(config)
    start = launch.initial_state()
    expected = identity(launch, launch.pool)
    assert expected[0] != sha256(start.theta)
    carries = any(word in f"{algorithm} {normalization}" for word in CARRYING)
    assert bool(start.carry) == carries
    if carries:
        assert expected[1] != sha256(list(start.carry.values()))
    for count in (3, 2, 1):  # first both processes compile at once
        assert identity(launch, Processes(config, processes, count)) == expected, count


def test_texts_give_one_theta_with_any_number_of_workers(processes):
    config = voices("outer.steps=3", "outer.meta_batch_size=8")
    assert_same_with_any_number(processes, config)


@pytest.mark.parametrize("algorithm", POLICIES)
def test_a_policys_theta_does_not_depend_on_the_number_of_workers(processes, algorithm):
    config = navigation(*POLICIES[algorithm], "outer.steps=3", "workers.block_size=1")
    assert_same_with_any_number(processes, config)


def assert_same_with_any_number(processes, config):
    launch = in_process(config)
    expected = identity(launch, launch.pool)
    assert expected[0] != sha256(launch.initial_state().theta)
    for count in (3, 2, 1):
        assert identity(launch, Processes(config, processes, count)) == expected, count
