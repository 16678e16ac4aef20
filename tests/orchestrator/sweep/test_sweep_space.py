import pytest
from small_sweeps import sweep_of

from orchestrator.config.schema import read_table
from orchestrator.sweep.space import active, check_space, configure, points

KIND, BATCH, RATE = "algorithm.kind", "algorithm.inner_batch", "algorithm.inner_lr"
KINDS = {"choice": ["maml", "reptile"]}
FOR_REPTILE = {KIND: KINDS, BATCH: {"choice": [2, 5], "when": {KIND: "reptile"}}}


def table_of(**overrides):
    return {**read_table("sinusoid"), **overrides}


def refusal(space, **overrides):
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        check_space(sweep_of(space), table_of(**overrides))
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_points_are_a_function_of_the_seed():
    space = {RATE: {"loguniform": [1e-3, 0.3]}, "outer.steps": {"randint": [1, 1000]}}
    first, again, other = (points(sweep_of(space, seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert len({point[RATE] for point in first + other}) == 32


def test_there_are_as_many_points_as_samples_where_nothing_is_a_grid():
    assert len(points(sweep_of({RATE: {"uniform": [0.1, 1]}}, samples=5))) == 5


def test_a_grid_is_the_full_product_whatever_the_samples_are():
    space = {RATE: {"grid": [0.1, 0.2]}, "outer.steps": {"grid": [1, 2, 3]}}
    product = [{RATE: rate, "outer.steps": steps} for rate in (0.1, 0.2) for steps in (1, 2, 3)]
    assert points(sweep_of(space, samples=5)) == product


def test_beside_a_grid_the_rest_is_drawn_anew_for_each_of_its_points_and_samples():
    space = {RATE: {"uniform": [0.1, 1]}, "outer.steps": {"grid": [1, 2, 3]}}
    drawn = points(sweep_of(space, samples=4))
    assert [point["outer.steps"] for point in drawn] == [1, 2, 3] * 4
    assert len({point[RATE] for point in drawn}) == 12
    assert list(drawn[0]) == [RATE, "outer.steps"]


def test_a_key_whose_condition_does_not_hold_is_left_out():
    drawn = points(sweep_of(FOR_REPTILE, samples=30))
    assert {point[KIND] for point in drawn} == {"maml", "reptile"}
    assert all((BATCH in point) == (point[KIND] == "reptile") for point in drawn)
    space = sweep_of(FOR_REPTILE).space
    assert active(space, {KIND: "maml", BATCH: 2}) == {KIND: "maml"}
    assert active(space, {KIND: "reptile", BATCH: 2}) == {KIND: "reptile", BATCH: 2}


def test_no_point_of_a_grid_comes_twice_when_keys_are_left_out():
    space = {
        KIND: {"grid": ["maml", "reptile"]},
        BATCH: {"grid": [2, 5], "when": {KIND: "reptile"}},
    }
    assert points(sweep_of(space)) == [
        {KIND: "maml"},
        {KIND: "reptile", BATCH: 2},
        {KIND: "reptile", BATCH: 5},
    ]


def test_a_point_makes_a_run():
    config = configure(table_of(), {BATCH: 3, KIND: "reptile", "outer.steps": 7})
    assert (config.algorithm.kind, config.algorithm.inner_batch) == ("reptile", 3)
    assert config.outer.steps == 7
    assert config.model.hidden == (40, 40)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (
            {RATE: {"uniform": [-1, 1]}},
            [f"space.{RATE}: {RATE} must be greater than 0", "got -1.0"],
        ),
        (
            {RATE: {"choice": [0.1, 0.2, 0]}},
            [f"space.{RATE}: {RATE} must be greater than 0, got 0"],
        ),
        ({"outer.momentum": {"uniform": [0, 1]}}, ["outer.momentum must be less than 1, got 1.0"]),
        (
            {"algorithm.inner_steps": {"randint": [90, 200]}},
            ["inner_steps must be at most 100, got 199"],
        ),
        ({"outer.steps": {"quniform": [1, 9, 2.5]}}, ["multiples of the step"]),
        (
            {"outer.steps": {"quniform": [2, 8, 0.5]}},
            ["outer.steps must be a whole number, got 2.0"],
        ),
        (
            {"algorithm.iner_lr": {"uniform": [0.1, 1]}},
            ["unknown key algorithm.iner_lr", "did you mean 'inner_lr'"],
        ),
        ({BATCH: {"choice": [2]}}, [f"unknown key {BATCH}"]),
        (
            {**FOR_REPTILE, BATCH: {"randint": [0, 10**6], "when": {KIND: "reptile"}}},
            [f"space.{BATCH}: {BATCH} must be at least 1", "got 0"],
        ),
        (
            {**FOR_REPTILE, BATCH: {"choice": [2], "when": {KIND: ["reptile", "maml"]}}},
            ["space: at", "'maml'", f"unknown key {BATCH}"],
        ),
        (
            {"outer.steps": {"choice": [20, 100]}, "outer.warmup_steps": {"choice": [10, 50]}},
            ["space: at {'outer.steps': 20, 'outer.warmup_steps': 50}", "must be below"],
        ),
    ],
    ids=range(11),
)
def test_a_value_that_no_run_could_have_is_refused_by_name(space, expected):
    message = refusal(space)
    assert [part for part in expected if part not in message] == [], message


def test_a_value_that_is_allowed_beside_some_others_is_refused_with_those_it_is_not():
    space = {"outer.steps": {"choice": [20, 100]}, "outer.warmup_steps": {"choice": [10, 50]}}
    message = refusal(space, outer={"steps": 30})
    assert message.startswith("space: at {'outer.steps': 20, 'outer.warmup_steps': 50}: ")


def test_a_base_that_is_no_run_is_refused_before_the_space_is_looked_at():
    assert refusal({RATE: {"uniform": [-1, 1]}}, seed=-1).startswith(
        "seed must be at least 0, got -1"
    )


@pytest.mark.parametrize(
    "space",
    [
        {RATE: {"uniform": [0.1, 1]}, "outer.optimizer": {"choice": ["sgd", "adam"]}},
        {"model.hidden": {"choice": [[10], [20, 20]]}},
        # allowed with each other, though not with what the preset has
        {
            "algorithm.inner_optimizer": {"choice": ["adam"]},
            "algorithm.first_order": {"choice": [True]},
        },
    ],
    ids=range(3),
)
def test_a_space_of_runs_passes(space):
    check_space(sweep_of(space), table_of())


def test_a_key_that_not_all_kinds_have_needs_its_condition():
    check_space(sweep_of(FOR_REPTILE), table_of())
    assert f"unknown key {BATCH}" in refusal({KIND: KINDS, BATCH: {"choice": [2, 5]}})
