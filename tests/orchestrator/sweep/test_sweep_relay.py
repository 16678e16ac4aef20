"""The data that Ray Tune's driver keeps for each trial."""

from types import SimpleNamespace

import pytest

from orchestrator.sweep.ray_relay import Relay
from orchestrator.sweep.ray_trial import WORN


class RecordingTable:
    metric = "accuracy"

    def __init__(self):
        self.reported, self.ended, self.num_written = [], [], 0

    def report(self, trial, result):
        self.reported.append(dict(result))

    def end(self, trial, failed=""):
        self.ended.append(trial)

    def write(self):
        self.num_written += 1


@pytest.fixture
def trial_table(monkeypatch):
    trial_table = RecordingTable()
    monkeypatch.setattr(Relay, "trial_table", trial_table)
    return trial_table


def test_tune_keeps_what_it_reads_and_the_board_has_it_all(trial_table):
    result = {
        "accuracy": 0.5,
        "loss": 1.0,
        "step": 4,
        "finished": True,
        "failed": "",
        "done": True,
        "training_iteration": 1,
        "run": "trials/a",
        "replaced_actors": 0,
        "timestamp": 17,
        "date": "today",
        WORN: False,
    }
    expected = dict(result)
    Relay().on_trial_result(1, [], SimpleNamespace(trial_id="a"), result)
    assert trial_table.reported == [expected]
    assert result.keys() == {
        "accuracy",
        "step",
        "finished",
        "failed",
        "done",
        "training_iteration",
        WORN,
    }


def test_statistics_of_a_trial_that_is_over_are_dropped(trial_table):
    trial = SimpleNamespace(trial_id="a", metric_analysis={"loss": {}}, metric_n_steps={"loss": {}})
    Relay().on_trial_complete(1, [], trial)
    assert (trial.metric_analysis, trial.metric_n_steps, trial_table.ended) == ({}, {}, ["a"])


def test_the_table_is_written_before_tune_saves(trial_table):
    assert Relay().get_state() is None
    assert trial_table.num_written == 1
