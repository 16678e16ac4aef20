import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from small_runs import CASES, BreakingPool, ShuffledPool, TwicePool, case, in_process, sha256_after

from orchestrator.loop import meta_train
from orchestrator.outer.update import OuterUpdate
from orchestrator.run.launch import Launch
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from workers.execution.tasks_ahead import TasksAhead
from workers.wire.errors import NonFiniteError, PoolError
from workers.wire.tensors import sha256

STEPS, BREAK_AT = 5, 3


@pytest.fixture(scope="module", params=CASES)
def launch(request, image_zip, image_cache):
    launched = in_process(case(request.param, image_zip, image_cache))
    outer = launched.config.outer.model_copy(update={"steps": STEPS})
    return replace(launched, config=launched.config.model_copy(update={"outer": outer}))


@pytest.fixture(scope="module")
def expected(launch):
    """The identity of theta after all steps, undisturbed."""
    return sha256_after(launch)


def new_outer(launch):
    return OuterUpdate(launch.config.outer, launch.initial_state())


def train(launch, pool, outer):
    return list(meta_train(launch.config, launch.family, pool, outer))


def test_several_blocks_of_uneven_size_make_a_step(launch):
    """Check that these tests could fail."""
    tasks, size = launch.config.outer.meta_batch_size, launch.config.block_size
    assert tasks > 2 * size
    assert tasks % size


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_in_which_blocks_come_back_does_not_change_theta(launch, expected, seed):
    assert sha256_after(launch, ShuffledPool(launch.pool, seed)) == expected


def test_running_every_block_twice_does_not_change_theta(launch, expected):
    assert sha256_after(launch, TwicePool(launch.pool)) == expected


def test_a_run_resumed_from_its_checkpoint_ends_with_the_same_theta(launch, expected, tmp_path):
    config, storage = launch.config, Storage(str(tmp_path))
    outer = new_outer(launch)
    with pytest.raises(PoolError):
        train(launch, BreakingPool(launch.pool, BREAK_AT), outer)
    state = outer.state()
    manifest = checkpoint.Manifest(
        step=state.step,
        theta_sha256=sha256(state.theta),
        config=json.loads(config.model_dump_json()),
        bits=config.bits(),
        bits_sha256=config.bits_hash(),
        fingerprint=launch.fingerprint,
        validation={},
    )
    name = checkpoint.save(storage, state, manifest)
    loaded, _ = checkpoint.load(Storage(str(tmp_path)), name)
    resumed = OuterUpdate(config.outer, loaded)
    reports = train(launch, launch.pool, resumed)
    assert [report.step for report in reports] == list(range(BREAK_AT + 1, STEPS + 1))
    assert sha256(resumed.state().theta) == expected


def test_a_pool_that_gives_up_leaves_theta_of_the_last_whole_step(launch):
    outer = new_outer(launch)
    shas = [sha256(outer.state().theta)]

    def go_on():
        for _ in steps:
            shas.append(sha256(outer.state().theta))

    pool = BreakingPool(launch.pool, BREAK_AT)
    steps = meta_train(launch.config, launch.family, pool, outer)
    with pytest.raises(PoolError, match=f"step {BREAK_AT}"):
        go_on()
    assert len(shas) == BREAK_AT + 1
    assert outer.step == BREAK_AT
    assert sha256(outer.state().theta) == shas[-1]
    assert shas[-1] != shas[-2]


class SpoiltPool(ShuffledPool):
    """The second block of a step brings a number that is not one."""

    def run(self, theta, blocks):
        contributions = sorted(super().run(theta, blocks), key=lambda c: c.index)
        good = contributions[1]
        gradient = good.gradient.copy()
        gradient[0] = np.nan
        contributions[1] = replace(good, gradient=gradient)
        return contributions


def test_a_contribution_that_is_not_finite_never_reaches_theta(launch):
    outer = new_outer(launch)
    before = sha256(outer.state().theta)
    with pytest.raises(NonFiniteError, match="block 1"):
        train(launch, SpoiltPool(launch.pool), outer)
    assert outer.step == 0
    assert sha256(outer.state().theta) == before


def test_every_step_reports_its_means_and_a_finished_run_has_no_more_steps(launch):
    outer = new_outer(launch)
    reports = train(launch, launch.pool, outer)
    assert train(launch, launch.pool, outer) == []
    assert [report.step for report in reports] == list(range(1, STEPS + 1))
    assert {report.tasks for report in reports} == {launch.config.outer.meta_batch_size}
    names = {"loss_before", "loss_after"} | (
        {"accuracy"} if launch.family.loss == "cross_entropy" else set()
    )
    for report in reports:
        assert set(report.metrics) == names
        assert np.isfinite(list(report.metrics.values())).all()
        assert report.seconds > 0


def test_another_seed_gives_another_theta(launch, expected):
    config = launch.config.model_copy(update={"seed": 1})
    assert sha256_after(Launch(config, launch.family, launch.pool, "a test")) != expected


def test_tasks_are_built_while_the_step_before_runs(launch, monkeypatch):
    runner, by_thread = launch.pool.runner, []
    build = runner.build

    def recorded(block):
        by_thread.append(threading.current_thread() is not threading.main_thread())
        return build(block)

    ahead = TasksAhead(recorded)
    monkeypatch.setattr(runner, "_ahead", ahead)
    monkeypatch.setattr(runner, "build", recorded)
    train(launch, launch.pool, new_outer(launch))
    ahead.close()
    blocks = -(-launch.config.outer.meta_batch_size // launch.config.block_size)
    assert sum(by_thread) == blocks * STEPS


@pytest.mark.quick("reptile on sinusoids", "maml on conv4")
def test_a_closed_pool_leaves_no_thread_and_can_be_used_again(launch, expected):
    launch.pool.close()
    before = set(threading.enumerate())
    assert sha256_after(launch) == expected
    begun = [t for t in threading.enumerate() if t not in before and "tasks-ahead" in t.name]
    assert len(begun) == 1
    launch.pool.close()
    assert not begun[0].is_alive()
    assert sha256_after(launch) == expected
    launch.pool.close()
