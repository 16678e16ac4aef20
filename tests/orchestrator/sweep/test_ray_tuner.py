"""What Ray Tune is given."""

from types import SimpleNamespace

import pytest
from ray.tune.experiment import Experiment
from small_sweeps import sweep_of

from orchestrator.sweep import ray_tuner

SPACE = {
    "outer.lr": {"loguniform": [1e-4, 1e-2]},
    "algorithm.inner_steps": {"randint": [1, 100]},
}


def drawn(seed, **search):
    """The first population of a sweep with pbt, as Tune draws it."""
    sweep = sweep_of(SPACE, seed=seed, search={"scheduler": "pbt", **search})
    searcher = ray_tuner._searcher(sweep, SimpleNamespace(metric="loss", mode="min"))
    space = ray_tuner._param_space(sweep)
    searcher.add_configurations([Experiment("a", lambda config: None, config=space, num_samples=4)])
    return [searcher.next_trial().config for _ in range(4)]


@pytest.mark.filterwarnings("ignore")  # those of Tune
def test_the_first_population_is_a_function_of_the_sweeps_seed():
    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_as_many_trials_at_a_time_as_were_asked_for():
    sweep = sweep_of(SPACE, search={"scheduler": "pbt", "parallel": 2})
    searcher = ray_tuner._searcher(sweep, SimpleNamespace(metric="loss", mode="min"))
    assert searcher.max_concurrent == 2
