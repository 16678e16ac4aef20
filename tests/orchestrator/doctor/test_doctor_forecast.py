"""The forecast of a run from measured seconds and bytes."""

from dataclasses import replace

import pytest

from orchestrator.doctor.forecast import Plan, forecast, step_s
from orchestrator.doctor.measure import Local, Shared

LOCAL = Local(
    num_parameters=110_000,
    theta_bytes=440_000,
    num_blocks=8,
    start_s=7.0,
    first_s=3.0,
    block_s=0.050,
    held_out_s=0.2,
    step_s=0.402,
    peak_bytes=900,
)
#: Four blocks in turn of 55 ms, and 6 ms beside them.
SHARED = Shared(2, 2, block_s=0.055, step_s=0.226, start_s=20.0, driver_bytes=700, actor_bytes=800)
PLAN = Plan(
    num_tasks=32, num_steps=100, num_validations=2, validation_blocks=50, test_blocks=150, slots=2
)
MORE_S = 0.45e-3 + (440e3 - 7e3) * (1.1e-3 - 0.45e-3) / (4e6 - 7e3)


@pytest.mark.parametrize(
    ("num_actors", "expected"),
    [
        (0, 0.402),  # measured
        (1, 8 * 0.050 + 0.006 - MORE_S),  # nobody works beside it
        (2, 0.226),  # measured
        (3, 3 * 0.055 + 0.006 + MORE_S),  # the busiest has three of eight
        (4, 2 * 0.055 + 0.006 + 2 * MORE_S),
        (7, 2 * 0.055 + 0.006 + 5 * MORE_S),
        (8, 1 * 0.055 + 0.006 + 6 * MORE_S),
        (9, 1 * 0.055 + 0.006 + 6 * MORE_S),  # more than blocks: nothing to do
        (64, 1 * 0.055 + 0.006 + 6 * MORE_S),
    ],
)
def test_a_step_is_the_busiest_actors_blocks_and_what_ray_costs(num_actors, expected):
    assert step_s(num_actors, LOCAL, SHARED) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("num_actors", "expected"),
    [
        (0, 0.402),
        (1, 8 * 0.050 + 5.65e-3 + 0.002 - MORE_S),
        (2, 4 * 0.050 + 5.65e-3 + 0.002),
        (8, 1 * 0.050 + 5.65e-3 + 0.002 + 6 * MORE_S),
    ],
)
def test_without_a_measurement_on_actors_the_published_costs_stand_in(num_actors, expected):
    assert step_s(num_actors, LOCAL, None) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("theta_bytes", "expected"), [(10, 2.97e-3), (4_000_000, 13.2e-3), (40_000_000, 89.5e-3)]
)
def test_what_ray_costs_grows_with_the_weights(theta_bytes, expected):
    local = Local(1, theta_bytes, 2, 7.0, 3.0, 0.050, 0.2, 0.100, 900)
    assert step_s(2, local, None) == pytest.approx(0.050 + expected, rel=0.01)


def test_rows_say_what_was_measured_and_what_needs_more_machines():
    rows = forecast(PLAN, LOCAL, SHARED)
    assert [(row.num_actors, row.basis) for row in rows] == [
        (0, "measured"),
        (1, "forecast"),
        (2, "measured"),
        (4, "extrapolated"),
        (8, "extrapolated"),
    ]
    assert rows[0].tasks_per_s == pytest.approx(32 / 0.402)


def test_a_single_block_has_a_row_for_the_actors_that_were_measured_only():
    local = Local(1, 4, 1, 7.0, 3.0, 0.050, 0.2, 0.051, 900)
    numbers = [row.num_actors for row in forecast(PLAN, local, SHARED)]
    assert numbers == [0, 1, 2]
    assert [row.num_actors for row in forecast(PLAN, local, None)] == [0, 1]


def test_memory_is_what_was_measured_and_an_answer_for_each_actor_more():
    rows = {row.num_actors: row for row in forecast(PLAN, LOCAL, SHARED)}
    assert (rows[0].driver_bytes, rows[0].actor_bytes, rows[0].total_bytes) == (900, 0, 900)
    assert (rows[2].driver_bytes, rows[2].actor_bytes, rows[2].total_bytes) == (700, 800, 2300)
    assert rows[1].driver_bytes == 700
    assert rows[8].driver_bytes == 700 + 6 * 440_000
    alone = forecast(PLAN, LOCAL, None)[1]
    assert (alone.driver_bytes, alone.actor_bytes) == (900, 900)


def test_the_run_has_its_start_its_steps_and_its_held_out_blocks():
    rows = {row.num_actors: row for row in forecast(PLAN, LOCAL, SHARED)}
    # 2 x 50 validation and 150 test blocks of 0.2 s
    assert rows[0].run_s == pytest.approx(7 + 3 + 100 * 0.402 + 250 * 0.2, rel=0.01)
    assert rows[2].run_s == pytest.approx(20 + 100 * 0.226 + 125 * 0.2, rel=0.01)


def test_one_process_may_do_many_steps_in_a_call_and_actors_do_not():
    local = replace(LOCAL, in_calls_s=0.1)
    assert step_s(0, local, SHARED) == 0.1
    assert step_s(2, local, SHARED) == step_s(2, LOCAL, SHARED)
