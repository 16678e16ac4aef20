"""A run that leaves out too many tasks ends, and names the inner rate."""

import pytest
from small_configs import sinusoid

from orchestrator.loop import _remedy, meta_train
from orchestrator.outer.skipped import SkipBudget
from orchestrator.outer.update import OuterUpdate
from orchestrator.run.launch import launch
from workers.tasks.registry import make_family
from workers.wire.errors import NonFiniteError


def spend(*steps, tasks=25):
    budget = SkipBudget(0.4)
    for step, skipped in enumerate(steps):
        budget.spend(step, skipped, tasks)


def test_a_step_that_leaves_out_most_of_its_tasks_ends_the_run_with_the_inner_rate():
    spend(12, 12, 12)
    with pytest.raises(NonFiniteError) as ended:
        spend(0, 23)
    assert str(ended.value) == (
        "step 1: 23 of 25 tasks gave no finite gradient; the inner loop diverges: lower "
        "algorithm.inner_lr = 0.4, for example to 0.04, or look for extreme values in the tasks"
    )


def test_ten_steps_in_a_row_that_leave_out_a_tenth_end_it_too():
    spend(*[3] * 9)
    spend(*[3] * 9, 2, *[3] * 9)  # 8 % is no more than a tenth
    with pytest.raises(NonFiniteError, match=r"step 9: the last 10 steps each left out more than"):
        spend(*[3] * 10)


def test_a_step_that_leaves_out_some_tasks_and_overflows_names_the_inner_rate_first():
    config = sinusoid("runtime.non_finite=skip")
    assert _remedy(config, 0) == "lower outer.lr or set outer.clip_norm"
    assert _remedy(config, 2).startswith("it left out 2 tasks: lower algorithm.inner_lr = 0.05")


def test_theta_learns_nothing_from_a_step_that_ends_the_run():
    config = sinusoid("runtime.non_finite=skip", "algorithm.inner_lr=1e30")
    launched = launch(config, make_family(config.task), {}, say=lambda text: None)
    try:
        outer = OuterUpdate(config.outer, launched.initial_state())
        before = [array.copy() for array in outer.state().theta]
        with pytest.raises(NonFiniteError, match=r"step 0: 7 of 7 tasks .*inner_lr = 1e\+30"):
            next(meta_train(config, launched.family, launched.pool, outer))
        assert all((a == b).all() for a, b in zip(before, outer.state().theta, strict=True))
    finally:
        launched.close()
