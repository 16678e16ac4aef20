import pytest

from orchestrator.launch import worthwhile_actors


@pytest.mark.parametrize(
    ("step_s", "num_blocks", "slots", "num_steps", "count", "because"),
    [
        (0.002, 1, 2, 100_000, 0, "single block"),
        (9.0, 1, 64, 100_000, 0, "single block"),
        (0.004, 8, 2, 1_000_000, 0, "too little"),
        (0.15, 8, 1, 100_000, 0, "room for one actor"),
        (0.15, 8, 2, 10, 0, "too little"),
        (0.15, 8, 2, 10_000, 2, "long enough"),
        (0.15, 8, 64, 10_000, 8, "long enough"),
        (0.15, 3, 2, 10_000, 2, "long enough"),
    ],
)
def test_actors_are_taken_where_they_save_more_than_they_cost(
    step_s, num_blocks, slots, num_steps, count, because
):
    chosen, why = worthwhile_actors(step_s, num_blocks, slots, num_steps)
    assert chosen == count
    assert because in why
    assert "a step takes" in why
