"""Every algorithm with every normalization and inner optimizer: 0, 1, 2 or 3 workers, one theta.

Starting actors for each combination would take an hour. Here one process more serves those that
need it; this one and that one stand for up to three workers: what is compared is what RayPool
sends, cut as it cuts it.

What a combination could do wrong here: how its gradient and its carry are cut, packed and added.
That has this process as three workers show, for every algorithm with every normalization. What
another process could do otherwise is to trace a graph whose operations have another order: graphs
come from an algorithm and from a normalization, so each kind of both is traced there.
"""

import sys
from collections.abc import Sequence
from typing import Any

import pytest
import ray
from same_bits_cases import (
    ALGORITHMS,
    CARRYING,
    ELSEWHERE,
    EVERY_DAY,
    NORMALIZATIONS,
    OTHER_POLICIES,
    OTHER_POLICIES_ELSEWHERE,
    OTHERS,
    OTHERS_ELSEWHERE,
    POLICIES,
    POLICY_ELSEWHERE,
)
from small_configs import navigation, sinusoid
from small_runs import in_process
from small_voices import voices

from orchestrator.loop import meta_train
from orchestrator.outer.update import OuterUpdate
from orchestrator.pool.work_item import leaves
from workers.actor import BlockActor
from workers.block import BlockRunner
from workers.policies.episode_cache import EpisodeCache
from workers.settings.worker import ActorSettings
from workers.wire.packing import from_bytes, to_bytes
from workers.wire.protocol import Block, Contribution, Weights
from workers.wire.tensors import sha256


class AnyBlocks:
    """An actor that runs the blocks of any configuration."""

    def __init__(self) -> None:
        from workers.execution import runtime

        runtime.start_tensorflow(0)
        self._actors: dict[str, Any] = {}

    def build(self, settings: ActorSettings) -> None:
        """Become the worker of that configuration."""
        self._actor(settings)

    def run(self, settings: ActorSettings, weights: Any, blocks: Any) -> Any:
        """As `BlockActor.run`."""
        return self._actor(settings).run(weights, blocks)

    def _actor(self, settings: ActorSettings) -> Any:
        from workers.actor import BlockActor

        key = settings.model_dump_json()
        if key not in self._actors:
            self._actors = {key: BlockActor(settings, gpus=0)}
            self._actors[key].build([])
        return self._actors[key]


class Here(BlockActor):
    """This process as a worker: what reaches its runner, and leaves it, is packed as for Ray."""

    def __init__(self, settings: ActorSettings, runner: BlockRunner):
        super().__init__(settings, gpus=0)
        self._runner = runner
        runner.episodes = EpisodeCache()  # those of other pools are not its own

    def ask(self, weights: Weights, blocks: Sequence[Block]) -> Any:
        return self.run(to_bytes(weights), to_bytes(blocks))


class There:
    """A process of its own, with a configuration."""

    def __init__(self, settings: ActorSettings, process: Any):
        self._settings, self._process = settings, process
        process.build.remote(settings)

    def ask(self, weights: Weights, blocks: Sequence[Block]) -> Any:
        return self._process.run.remote(self._settings, to_bytes(weights), to_bytes(blocks))


class Workers:
    """A pool of `count` workers, `who` in turn; what they give comes last first."""

    def __init__(self, who: Sequence[Here | There], count: int):
        self._who, self._count = who[:count], count

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        answers = [
            self._who[number % len(self._who)].ask(weights, work.blocks)
            for number, work in enumerate(leaves(blocks, self._count))
        ]
        return [
            from_bytes(ray.get(answer) if isinstance(answer, ray.ObjectRef) else answer)
            for answer in reversed(answers)
        ]


@pytest.fixture(scope="module")
def process(shared_ray):
    here = sys.modules[__name__]  # which actors cannot import
    ray.cloudpickle.register_pickle_by_value(here)
    yield ray.remote(num_cpus=1)(AnyBlocks).remote()
    ray.cloudpickle.unregister_pickle_by_value(here)


def check_any_number_of_workers(config, carries, process=None):
    """The bits of theta and the carry after all steps, in this process and with 1 to 3 workers."""
    elsewhere = [There(config.worker, process)] if process else []
    launch = in_process(config)
    start = launch.initial_state()

    def identity(pool):
        outer = OuterUpdate(config.outer, start)
        for _ in meta_train(config, launch.family, pool, outer):
            pass
        state = outer.state()
        return sha256(state.theta), sha256(list(state.carry.values()))

    expected = identity(launch.pool)
    assert expected[0] != sha256(start.theta)
    assert bool(start.carry) == carries
    if carries:
        assert expected[1] != sha256(list(start.carry.values()))
    for count in (3, 2, 1):
        who = [*elsewhere, Here(config.worker, launch.pool._runner)]
        assert identity(Workers(who, count)) == expected, count


def sinusoids(algorithm, normalization):
    # One query at a time: a batch within a batch takes seven seconds to trace, twice there. That
    # it can be done is seen where reptile asks so, which is short.
    one_by_one = normalization == "support statistics" and "reptile" not in algorithm
    return sinusoid(
        *ALGORITHMS[algorithm],
        *NORMALIZATIONS[normalization],
        f"runtime.execution={'map' if one_by_one else 'vectorized'}",
        "task.shots=2",
        "task.queries=2",
        "model.hidden=[4]",
        "outer.steps=2",
        "outer.meta_batch_size=10",
        "workers.block_size=2",
        "outer.optimizer=sgd",
    )


def carry(*names):
    return any(word in " ".join(names) for word in CARRYING)


def policies(algorithm):
    small = ["outer.steps=2", "workers.block_size=1", "task.horizon=4", "model.hidden=[4]"]
    return navigation(*POLICIES[algorithm], *small)


@pytest.mark.parametrize(("algorithm", "normalization"), EVERY_DAY)
def test_theta_and_the_carry_do_not_depend_on_the_number_of_workers(algorithm, normalization):
    check_any_number_of_workers(
        sinusoids(algorithm, normalization), carry(algorithm, normalization)
    )


@pytest.mark.ray
@pytest.mark.parametrize(("algorithm", "normalization"), ELSEWHERE)
def test_theta_and_the_carry_are_the_same_with_workers_elsewhere(process, algorithm, normalization):
    check_any_number_of_workers(
        sinusoids(algorithm, normalization), carry(algorithm, normalization), process
    )


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "normalization"), OTHERS)
def test_each_algorithm_goes_with_each_normalization(algorithm, normalization):
    check_any_number_of_workers(
        sinusoids(algorithm, normalization), carry(algorithm, normalization)
    )


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "normalization"), OTHERS_ELSEWHERE)
def test_each_kind_of_algorithm_and_each_normalization_gives_the_same_elsewhere(
    process, algorithm, normalization
):
    check_any_number_of_workers(
        sinusoids(algorithm, normalization), carry(algorithm, normalization), process
    )


@pytest.mark.ray
@pytest.mark.slow
def test_texts_give_one_theta_with_any_number_of_workers(process):
    config = voices("outer.steps=2", "outer.meta_batch_size=6")
    check_any_number_of_workers(config, False, process)


@pytest.mark.ray
def test_a_policys_theta_is_the_same_with_workers_elsewhere(process):
    check_any_number_of_workers(policies(POLICY_ELSEWHERE), False, process)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("algorithm", OTHER_POLICIES_ELSEWHERE)
def test_other_policies_thetas_are_the_same_with_workers_elsewhere(process, algorithm):
    check_any_number_of_workers(policies(algorithm), False, process)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", OTHER_POLICIES)
def test_a_policys_theta_does_not_depend_on_the_number_of_workers(algorithm):
    """Elsewhere their rounds are those of promp and of trpo; their algorithms, the above."""
    check_any_number_of_workers(policies(algorithm), False)
