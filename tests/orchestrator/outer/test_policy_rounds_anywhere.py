"""Rounds of a step on runners that have made its episodes, and on others."""

from typing import Any

import pytest
from small_configs import navigation

from orchestrator.loop import meta_train
from orchestrator.outer.update import OuterUpdate
from orchestrator.pool.base import Incidents, InProcessPool
from orchestrator.pool.work_item import leaves
from orchestrator.run.launch import Launch
from workers.block import BlockRunner
from workers.tasks.registry import make_family
from workers.wire.combine import combine
from workers.wire.tensors import sha256

LONG = ["outer.epochs=8", "outer.steps=1", "outer.lr=0.003"]
UPDATES = {
    "trpo": ["outer.optimizer=trpo", "outer.conjugate_steps=2", "outer.line_search=3"],
    "epochs": ["outer.epochs=3"],
}
# What a runner traces depends on these alone: all tests here have the same two.
SMALL = ["outer.meta_batch_size=4", "workers.block_size=1", "task.horizon=4"]
SMALL += ["task.curvature=per_step", "model.hidden=[3]", "runtime.execution=map"]


class Wandering:
    """Two runners; a block goes to another one in each round, which has not made its episodes."""

    name, num_ready = "wandering", 0

    def __init__(self, runners: list[Any]):
        self._runners, self._round = runners, 0
        self.incidents, self.latencies_s = Incidents(), list[float]()

    def run(self, weights, blocks):
        self._round += 1
        answers = []
        for number, work in enumerate(leaves(blocks, 2)):
            runner = self._runners[(number + self._round) % 2]
            answers.append(combine([runner.run(weights, block) for block in work.blocks]))
        return answers[::-1]


@pytest.fixture(scope="module")
def runners():
    config = navigation(*LONG, *SMALL)
    return [BlockRunner(config.worker, make_family(config.task)) for _ in range(2)]


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.quick("epochs")
def test_theta_does_not_depend_on_who_looks_again(runners, update):
    config = navigation(*UPDATES[update], *SMALL, "outer.steps=2")
    family = make_family(config.task)
    start = Launch(config, family, InProcessPool(runners[0]), "").initial_state()
    digests = []
    for pool in (InProcessPool(runners[0]), Wandering(runners)):
        outer = OuterUpdate(config.outer, start)
        reports = list(meta_train(config, family, pool, outer))
        assert outer.step == 2
        assert all("kl" in report.metrics for report in reports)
        digests.append(sha256(outer.state().theta))
    assert digests[0] == digests[1] != sha256(start.theta)


def test_a_divergence_that_has_a_price_is_smaller(runners):
    def divergence(price):
        config = navigation(*LONG, *SMALL, f"outer.divergence_penalty={price}")
        family, pool = make_family(config.task), InProcessPool(runners[0])
        outer = OuterUpdate(config.outer, Launch(config, family, pool, "").initial_state())
        (report,) = meta_train(config, family, pool, outer)
        return report.metrics["kl"]

    assert divergence(1000) < 0.5 * divergence(0)
