"""A trial that Ray Tune starts again after it was over: the driver was killed before Tune knew."""

import json
import shutil

import pytest
from small_configs import SINUSOID

from orchestrator.storage.storage import Storage
from orchestrator.sweep.finished_trial import FinishedTrial
from orchestrator.sweep.trial import Trial, open_trial
from orchestrator.sweep.trial_checkpoint import read_trial_checkpoint

pytestmark = pytest.mark.usefixtures("shared_runners")

POINT = {"algorithm.inner_lr": 0.05}


@pytest.fixture(scope="module")
def over(tmp_path_factory):
    """The place of a trial that is over, and its last report."""
    location = str(tmp_path_factory.mktemp("sweep") / "trials/a")
    trial = Trial(SINUSOID, POINT, location)
    last = [trial.advance() for _ in range(3)][-1]
    trial.close()
    return location, last


def content(location):
    storage = Storage(location)
    return {name: storage.read(name) for name in storage.list() if "." in name}


def test_it_reports_again_what_it_reported_and_its_folder_stays_as_it_was(over):
    location, last = over
    before = content(location)
    again = open_trial(SINUSOID, POINT, location)
    assert isinstance(again, FinishedTrial)
    report = again.advance()
    again.close()
    assert last.pop("seconds") > 0
    assert report.pop("seconds") > 0
    assert report == last
    assert content(location) == before
    assert {"history.json", "metrics.jsonl"} <= before.keys()


def test_another_trial_continues_from_it(over, tmp_path):
    location, last = over
    open_trial(SINUSOID, POINT, location).save(str(tmp_path))
    saved = read_trial_checkpoint(Storage(str(tmp_path)))
    assert (saved.run, saved.state.step) == ("a", last["step"])


@pytest.mark.parametrize("why", ["not closed", "damaged", "another configuration"])
def test_a_run_that_may_lack_something_is_opened(over, tmp_path, why):
    location, _ = over
    copy = Storage(str(shutil.copytree(location, tmp_path / "a")))
    openings = json.loads(copy.read("history.json"))
    assert isinstance(open_trial(SINUSOID, POINT, copy.location), FinishedTrial)
    point = POINT
    if why == "not closed":
        openings[-1]["ended"] = ""
        copy.write("history.json", json.dumps(openings).encode())
    elif why == "damaged":
        copy.write("history.json", b"{")
    else:
        point = {"algorithm.inner_lr": 0.1}
        with pytest.raises(ValueError, match="inner_lr"):
            open_trial(SINUSOID, point, copy.location)
        return
    trial = open_trial(SINUSOID, point, copy.location)
    trial.close()
    assert isinstance(trial, Trial)
