import math

import optuna
from optuna.trial import TrialState

from orchestrator.sweep.ray_searcher import Searcher


def searcher():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {"lr": optuna.distributions.FloatDistribution(1e-3, 1.0)}
    return Searcher(space, metric="loss", mode="min", seed=0)


def report(step, loss, **more):
    return {"training_iteration": step, "loss": loss, "failed": "", "finished": False, **more}


def states(of):
    return [(trial.state, trial.value) for trial in of._ot_study.trials]


def test_a_trial_that_failed_is_failed_in_the_study():
    search = searcher()
    search.suggest("a")
    search.on_trial_result("a", report(1, 2.0))
    search.on_trial_complete("a", report(2, math.nan, failed="weights are not finite"))
    search.suggest("b")
    search.on_trial_complete("b", report(1, math.nan, failed="at once"))
    search.suggest("c")
    search.on_trial_complete("c", error=True)
    assert states(search) == [(TrialState.FAIL, None)] * 3


def test_a_trial_that_was_stopped_early_is_pruned_with_its_last_score():
    search = searcher()
    search.suggest("a")
    search.on_trial_result("a", report(1, 2.0))
    search.on_trial_result("a", report(2, 1.5))
    search.on_trial_complete("a", report(2, 1.5))
    search.suggest("b")
    search.on_trial_complete("b")  # before its first validation
    assert states(search) == [(TrialState.PRUNED, 1.5), (TrialState.PRUNED, None)]


def test_a_trial_that_came_to_its_end_is_complete():
    search = searcher()
    search.suggest("a")
    search.on_trial_result("a", report(1, 2.0))
    search.on_trial_complete("a", report(2, 1.0, finished=True))
    assert states(search) == [(TrialState.COMPLETE, 1.0)]


def test_nothing_runs_on_in_a_study_whose_trials_have_ended():
    search = searcher()
    for name, last in {
        "a": report(1, 1.0, finished=True),
        "b": report(1, math.nan, failed="diverged"),
        "c": report(1, 3.0),
        "d": report(1, math.inf, finished=True),
        "e": report(1, math.nan, finished=True),
    }.items():
        search.suggest(name)
        search.on_trial_complete(name, last)
    assert TrialState.RUNNING not in [state for state, _ in states(search)]
