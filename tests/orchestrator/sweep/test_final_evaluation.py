import json
import shutil

import pytest
from small_configs import ONE_BY_ONE, sinusoid
from small_learners import run_of

from orchestrator.storage.storage import Storage
from orchestrator.sweep import final_evaluation

pytestmark = pytest.mark.usefixtures("shared_runners")
CONFIG = sinusoid(*ONE_BY_ONE, "evaluation.tasks=3")
CHOSEN = "best of 3 trials by validation loss (random, none)"


@pytest.fixture
def trial(tmp_path):
    """A trained run of its own, not evaluated yet."""
    shutil.copytree(run_of(CONFIG), tmp_path / "trial")
    return Storage(str(tmp_path / "trial"))


def test_the_test_tasks_are_seen_once(trial, monkeypatch):
    notes = []
    first = final_evaluation.evaluate_trial(CONFIG, trial, CHOSEN, print, notes.append)
    written = trial.read("evaluation.json")
    assert first.protocol["hyperparameters"] == CHOSEN
    monkeypatch.setattr(final_evaluation, "open_run", None)  # nothing can be evaluated now
    again = final_evaluation.evaluate_trial(CONFIG, trial, CHOSEN, print, notes.append)
    assert again.model_dump() == first.model_dump()
    assert trial.read("evaluation.json") == written
    assert "was evaluated on the test tasks before" in notes[-1]


@pytest.mark.slow
def test_what_was_chosen_among_other_trials_is_evaluated_anew(trial):
    final_evaluation.evaluate_trial(CONFIG, trial, CHOSEN, print, print)
    other = CHOSEN.replace("3", "4")
    result = final_evaluation.evaluate_trial(CONFIG, trial, other, print, print)
    assert result.protocol["hyperparameters"] == other
    table = json.loads(trial.read("evaluation.json"))
    trial.write("evaluation.json", json.dumps({**table, "checkpoint": "ckpt-00000001"}).encode())
    result = final_evaluation.evaluate_trial(CONFIG, trial, other, print, print)
    assert result.checkpoint != "ckpt-00000001"
