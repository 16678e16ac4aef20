"""Algorithms that change at an outer step: the same theta, however the steps are run."""

from dataclasses import replace

import numpy as np
import pytest
from small_configs import navigation, sinusoid
from small_runs import ShuffledPool, in_process
from small_tasks import at

from orchestrator.loop import meta_train
from orchestrator.outer import many_steps
from orchestrator.outer.blocks import train_blocks
from orchestrator.outer.update import OuterUpdate
from orchestrator.pool.work_item import kind_of
from workers.wire.tensors import sha256

STEPS = 9
#: Name -> overrides, and the outer steps at which the algorithm changes.
_ANNEALED = ["algorithm.inner_steps=2", "algorithm.multi_step=true", "algorithm.multi_step_until=5"]
CHANGING = {
    "annealed": (_ANNEALED, [5]),
    "second order": (["algorithm.second_order_after=4"], [4]),
    "both": ([*_ANNEALED, "algorithm.second_order_after=3"], [3, 5]),
    "all of maml++": (
        [
            *[*_ANNEALED, "algorithm.second_order_after=3", "algorithm.layer_rates=true"],
            *["algorithm.step_affine=true", "algorithm.step_statistics=true"],
            *["model.normalization=batch", "model.statistics=running"],
        ],
        [3, 5],
    ),
}
_ANY = ["second order", pytest.param("annealed", marks=pytest.mark.slow)]


@pytest.fixture(autouse=True)
def any_run_is_small_and_long_enough(monkeypatch):
    monkeypatch.setattr(many_steps, "CALL_S", 1e9)
    monkeypatch.setattr(many_steps, "FEWEST_STEPS", 0)


def changing(name):
    small = ["model.hidden=[4]", "task.shots=2", "task.queries=2", "outer.meta_batch_size=4"]
    xla = ["runtime.xla=true", "runtime.execution=vectorized"]  # else there are no calls
    return in_process(sinusoid(f"outer.steps={STEPS}", *small, *xla, *CHANGING[name][0]))


def train(launch, state=None, last=STEPS, pool=None, **due):
    """Return the reports, and all that the rest of a run depends on."""
    settings = launch.config.outer.model_copy(update={"steps": last})
    config = launch.config.model_copy(update={"outer": settings})
    outer = OuterUpdate(config.outer, state or launch.initial_state())
    reports = list(meta_train(config, launch.family, pool or launch.pool, outer, **due))
    return reports, outer.state()


@pytest.mark.parametrize(
    "name",
    [*_ANY, *(pytest.param(name, marks=pytest.mark.slow) for name in ("both", "all of maml++"))],
)
@pytest.mark.slow
def test_steps_by_themselves_in_calls_on_others_and_resumed_end_at_one_theta(name):
    launch = changing(name)
    reports, expected = train(launch)
    called, of_calls = train(launch, due=lambda done: STEPS - done)
    assert sha256(of_calls.theta) == sha256(expected.theta)
    assert [report.metrics for report in called] == [report.metrics for report in reports]
    _, elsewhere = train(launch, pool=ShuffledPool(launch.pool))
    assert sha256(elsewhere.theta) == sha256(expected.theta)
    for stop in (3, *CHANGING[name][1]):
        _, left = train(launch, last=stop)
        _, resumed = train(launch, state=left)
        assert sha256(resumed.theta) == sha256(expected.theta), stop
        assert all(np.array_equal(resumed.carry[name], expected.carry[name]) for name in left.carry)


@pytest.mark.parametrize("name", _ANY)
def test_no_call_goes_over_a_change_and_the_first_after_it_is_short(name):
    called, _ = train(changing(name), due=lambda done: STEPS - done)
    settled = [report.step for report in called if report.settled]
    changes = CHANGING[name][1]
    assert {*changes, *(step + 1 for step in changes)} <= set(settled)
    assert len(settled) < STEPS


@pytest.mark.parametrize("name", _ANY)
def test_there_is_a_graph_for_each_form_of_the_algorithm_and_no_more(name):
    launch = changing(name)
    _, state = train(launch)
    train(launch, state=replace(state, step=2), due=lambda done: STEPS - done)
    assert launch.pool.runner.training.num_traces == 1 + len(CHANGING[name][1])


@pytest.mark.parametrize("name", _ANY)
def test_a_blocks_gradient_follows_from_the_number_of_the_step_alone(name):
    """A runner keeps no count: the step that it is told decides."""
    launch = changing(name)
    theta = launch.initial_state().weights.theta
    block = train_blocks(launch.config, launch.family, 0)[0]

    def gradient(step):
        return launch.pool.runner.run(at(theta, step=step), block).gradient

    change = CHANGING[name][1][0]
    there = gradient(change)
    before = gradient(0)
    np.testing.assert_array_equal(gradient(change), there)
    np.testing.assert_array_equal(gradient(change + 100), gradient(change + 3))
    assert np.abs(there - before).max() > 1e-6
    np.testing.assert_array_equal(gradient(0), before)


@pytest.mark.parametrize("name", CHANGING)
def test_deadlines_know_that_blocks_take_longer_or_shorter_after_a_change(name):
    launch, changes = changing(name), CHANGING[name][1]
    kinds = [kind_of(train_blocks(launch.config, launch.family, s)[0]) for s in range(STEPS)]
    assert len(set(kinds)) == 1 + len(changes)
    assert [s for s in range(1, STEPS) if kinds[s] != kinds[s - 1]] == changes


@pytest.mark.slow
@pytest.mark.parametrize("rounds", ["outer.epochs=2", "outer.optimizer=trpo"])
def test_policies_learn_by_several_rounds_of_the_steps_algorithm(rounds):
    """The rounds of a step have its form of the algorithm, and its number for the weights."""
    annealing = ["algorithm.multi_step_until=2", "algorithm.second_order_after=1"]
    overrides = [*_ANNEALED[:2], *annealing]
    small = ["model.hidden=[4]", "task.horizon=4", "outer.steps=3", "workers.block_size=1"]
    launch = in_process(navigation(*small, *overrides, "task.curvature=per_step", rounds))
    _, expected = train(launch, last=3)
    _, left = train(launch, last=1)
    _, resumed = train(launch, state=left, last=3, pool=ShuffledPool(launch.pool))
    assert sha256(resumed.theta) == sha256(expected.theta)
    equal = in_process(navigation(*small, *overrides[:2], "task.curvature=per_step", rounds))
    assert sha256(train(equal, last=3)[1].theta) != sha256(expected.theta)
