import math

import pytest
from small_sweeps import sweep_of

from orchestrator.sweep.explore import Explore

SPACE = {
    "outer.lr": {"loguniform": [1e-4, 1e-2]},
    "algorithm.inner_steps": {"randint": [1, 4]},
    "algorithm.kind": {"choice": ["maml", "anil"]},
}
POINT = {"outer.lr": 1e-2, "algorithm.inner_steps": 1, "algorithm.kind": "anil"}


def test_what_is_explored_stays_in_the_space_and_moves():
    explore = Explore(sweep_of(SPACE).space, seed=3)
    samples = [explore({**POINT, "shared": "as it was"}) for _ in range(300)]
    assert all(1e-4 <= values["outer.lr"] <= 1e-2 for values in samples)
    assert {values["algorithm.inner_steps"] for values in samples} == {1, 2, 3}
    assert {values["algorithm.kind"] for values in samples} == {"maml", "anil"}
    assert {values["shared"] for values in samples} == {"as it was"}
    assert sum(values["outer.lr"] == pytest.approx(8e-3) for values in samples) > 150


def test_exploring_is_a_function_of_the_seed():
    first, again, other = (Explore(sweep_of(SPACE).space, seed) for seed in (3, 3, 4))
    assert [first(POINT) for _ in range(9)] == [again(POINT) for _ in range(9)]
    assert [first(POINT) for _ in range(9)] != [other(POINT) for _ in range(9)]


def test_tune_explores_by_the_space_alone():
    """Through Tune's own scheduler, which would multiply by 0.8 or 1.2 whatever the range is."""
    from ray.tune.schedulers import pbt

    explore = Explore(sweep_of(SPACE).space, seed=0)
    for _ in range(50):
        values, _ = pbt._explore(POINT, {}, 0.25, (1.2, 0.8), explore)
        assert values["algorithm.inner_steps"] in (1, 2, 3)
        assert 1e-4 <= values["outer.lr"] <= 1e-2
        assert math.isfinite(values["outer.lr"])
