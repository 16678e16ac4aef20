import weakref
from types import SimpleNamespace

import pytest
from small_configs import USER_MODEL, sinusoid
from small_runs import sha256_after

from orchestrator.run.launch import launch
from orchestrator.sweep import process
from orchestrator.sweep.process import TrialProcess
from orchestrator.sweep.ray_trial import WORN
from workers.execution.process_memory import release_memory, resident_bytes
from workers.tasks.registry import make_family

SMALL = ["workers.count=0", "model.kind=linear", "outer.meta_batch_size=2", "outer.steps=3"]


def runner_of(here, *overrides):
    config = sinusoid(*SMALL, *overrides)
    return here.runner(config, make_family(config.task))


def test_trials_that_differ_in_the_outer_update_alone_compile_once():
    here = TrialProcess()
    first = runner_of(here, "outer.lr=0.01")
    assert runner_of(here, "outer.lr=0.02", "outer.optimizer=sgd") is first
    assert runner_of(here, "algorithm.inner_lr=0.02") is not first
    assert runner_of(here, "seed=5") is not runner_of(here, "seed=6")


def test_a_user_model_is_built_anew():
    here = TrialProcess()
    assert runner_of(here, *USER_MODEL) is not runner_of(here, *USER_MODEL)


def test_a_runner_that_was_used_before_gives_the_same_weights():
    here = TrialProcess()

    def trained(lr, make_runner):
        config = sinusoid(*SMALL, f"outer.lr={lr}")
        family = make_family(config.task)
        return sha256_after(launch(config, family, {}, say=str, make_runner=make_runner))

    trained(0.01, here.runner)
    assert trained(0.02, here.runner) == trained(0.02, None)


def test_a_process_keeps_one_model_at_most():
    here, made = TrialProcess(), []
    for rate in (0.01, 0.02, 0.03):
        made.append(weakref.ref(runner_of(here, f"algorithm.inner_lr={rate}")))
        here.end_trial()
    assert [runner() is not None for runner in made] == [False, False, True]


def test_memory_that_was_freed_between_what_stays_is_given_back():
    texts = ["x" * 3000 + str(i) for i in range(100_000)]  # 300 MB, each freed by itself
    kept = texts[::10]
    del texts
    before = resident_bytes()
    release_memory()
    assert before - resident_bytes() > 50_000_000
    assert len(kept) == 10_000


def test_a_process_is_worn_once_it_has_grown_too_much(monkeypatch):
    here = TrialProcess(most_growth_bytes=100)
    sizes = iter([1000, 1100, 1101, 1050])
    monkeypatch.setattr(process, "resident_bytes", lambda: next(sizes))
    worn = []
    for _ in range(4):
        here.end_trial()
        worn.append(here.is_worn)
    assert worn == [False, False, True, False]


@pytest.mark.parametrize("name", ["Fifo", "Asha", "Median", "Pbt"])
def test_a_worn_process_is_not_used_again(name):
    from ray import cloudpickle
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.schedulers import TrialScheduler

    from orchestrator.sweep import ray_schedulers
    from orchestrator.sweep.explore import Explore

    more = {"Pbt": {"custom_explore_fn": Explore({}, 0)}}.get(name, {})
    if name != "Fifo":
        more |= {"metric": "loss", "mode": "min", "time_attr": "step"}
    scheduler = getattr(ray_schedulers, name)(**more)
    assert isinstance(scheduler, TrialScheduler)
    assert "_reuse_actors" in TuneController.__init__.__code__.co_names
    controller = SimpleNamespace(_reuse_actors=True, search_alg=None)
    for worn in (True, False):
        trial = Told()
        if name != "Pbt":
            scheduler.on_trial_add(controller, trial)
        result = {WORN: worn, "step": 4, "loss": 1.0, "time_total_s": 1.0}
        scheduler.on_trial_complete(controller, trial, result)
        assert controller._reuse_actors is not worn
    assert type(cloudpickle.loads(cloudpickle.dumps(scheduler))) is type(scheduler)


class Told:
    """The part of a trial that schedulers read."""

    trial_id, experiment_tag, config = "a", "", {}
