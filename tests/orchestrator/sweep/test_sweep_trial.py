"""Trials in this process: by themselves, and in the shell that Ray Tune drives."""

import json

import pytest
from ray import tune
from small_configs import NAVIGATION, SINUSOID
from whole_sweeps import theta_of, undisturbed_theta

from orchestrator.storage.storage import Storage
from orchestrator.sweep import record
from orchestrator.sweep.dimension import Dimension
from orchestrator.sweep.ray_trial import POINT, RayTrial, Shared
from orchestrator.sweep.trial import Trial
from orchestrator.sweep.trial_checkpoint import read_trial_checkpoint

pytestmark = pytest.mark.usefixtures("shared_runners")


RATE = "algorithm.inner_lr"


def even(base):
    """All blocks are of two tasks: each kind of them is traced once."""
    return {
        **base,
        "outer": {**base["outer"], "meta_batch_size": 4},
        "evaluation": {**base["evaluation"], "validation_tasks": 4},
    }


SINE, POLICY = even(SINUSOID), even(NAVIGATION)
EVEN = ["outer.meta_batch_size=4", "evaluation.validation_tasks=4"]


@pytest.fixture
def trial(tmp_path):
    """A function that opens the trial of a rate in a folder; all are closed at the end."""
    opened = []

    def open_(rate=0.05, name="a", handed=None):
        opened.append(Trial(SINE, {RATE: rate}, str(tmp_path / "trials" / name), handed))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


def test_a_trial_reports_each_validation_once_its_checkpoint_is_written(trial, tmp_path):
    run = trial()
    for step in (4, 8, 12):
        report = run.advance()
        assert report["step"] == step
        assert report["done"] == (step == 12)
        assert report["run"] == "trials/a"
        manifest = json.loads(
            (tmp_path / f"trials/a/checkpoints/ckpt-{step:08d}/manifest.json").read_text()
        )
        assert manifest["validation"]["scores"] == {"loss": report["loss"]}


def test_a_trial_that_was_left_goes_on_to_the_same_weights(trial, tmp_path):
    run = trial()
    first = run.advance()
    run.close()
    again = trial()
    assert again.advance()["step"] == 8
    last = again.advance()
    assert last["seconds"] > first["seconds"]
    assert theta_of(tmp_path / "trials/a") == undisturbed_theta(f"{RATE}=0.05", *EVEN)


def test_a_trial_that_was_done_says_again_what_it_said(trial):
    run = trial()
    last_report = [run.advance() for _ in range(3)][-1]
    run.close()
    again = trial().advance()
    assert again["done"]
    assert {"step": again["step"], "loss": again["loss"]} == {
        "step": 12,
        "loss": last_report["loss"],
    }


def test_a_trial_cannot_see_the_test_tasks(trial):
    run = trial()
    run.advance()
    with pytest.raises(AssertionError, match="must not see the test tasks"):
        run._run.test()


def test_a_trial_of_a_policy_needs_no_test_tasks_for_an_oracle(tmp_path):
    run = Trial(POLICY, {RATE: 0.02}, str(tmp_path / "trials/a"), None)
    try:
        reports = [run.advance() for _ in range(2)]
    finally:
        run.close()
    assert [report["done"] for report in reports] == [False, True]
    assert reports[-1]["return"] < 0


def test_what_a_trial_hands_over_is_where_another_goes_on(trial, tmp_path):
    first = trial()
    first.advance()
    first.save(str(tmp_path / "box"))
    other = trial(0.1, "b", read_trial_checkpoint(Storage(str(tmp_path / "box"))))
    assert other.advance()["step"] == 8
    rows = (tmp_path / "trials/b/metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [5, 6, 7, 8]


def tune_config(rate):
    return {POINT: {RATE: rate}}


def shell_in(sweep, rate):
    space = {RATE: Dimension(choice=(0.05, 0.1, 1e9))}
    shared = Shared(SINE, space, str(sweep), "loss")
    return tune.with_parameters(RayTrial, shared=shared)(tune_config(rate))


@pytest.fixture
def shell(tmp_path):
    """Starts Tune's shell of a trial at a rate."""
    Storage(str(tmp_path)).write(record.SWEEP_FILE, b"{}")
    started = []

    def start(rate):
        started.append(shell_in(tmp_path, rate))
        return started[-1]

    yield start
    for each in started:
        each.cleanup()


def test_a_failure_is_a_result_that_ends_the_trial(shell):
    report = shell(1e9).step()
    assert report["done"]
    assert "not finite" in report["failed"]
    assert report["loss"] != report["loss"]
    assert report["step"] == 0


def test_a_validation_that_is_not_a_number_ends_the_trial(shell, monkeypatch):
    """A scheduler compares it with nothing, and would never stop it."""
    report = {"step": 4, "loss": float("nan"), "done": False}
    monkeypatch.setattr(Trial, "advance", lambda self: report)
    failure = shell(0.05).step()
    assert failure["done"]
    assert failure["failed"] == "the validation's loss is not a number at step 4"
    assert failure["step"] == 4


def test_a_perturbed_trial_goes_on_from_the_better_one_in_a_folder_of_its_own(shell, tmp_path):
    running = shell(0.05)
    assert running.step()["step"] == 4
    running.save_checkpoint(str(tmp_path / "box"))
    assert running.reset_config(tune_config(0.1))
    running.load_checkpoint(str(tmp_path / "box"))
    report = running.step()
    assert (report["step"], report["run"]) == (8, f"trials/{running.trial_id}-2")


def test_a_paused_trial_goes_on_in_its_folder(shell, tmp_path):
    running = shell(0.05)
    running.step()
    running.save_checkpoint(str(tmp_path / "box"))
    assert running.reset_config(tune_config(0.05))
    running.load_checkpoint(str(tmp_path / "box"))
    report = running.step()
    assert (report["step"], report["run"]) == (8, f"trials/{running.trial_id}")


def test_a_machine_that_does_not_see_the_sweeps_folder_says_so(tmp_path):
    running = shell_in(tmp_path / "elsewhere", 0.05)
    assert "is not the sweep's folder on" in running.step()["failed"]


def test_loggers_do_not_see_the_secrets_of_the_folder():
    shared = Shared(SINUSOID, {}, "s3://key:PASSWORD@bucket/a", "loss")
    assert "PASSWORD" not in repr(shared)
    assert "bucket/a" in repr(shared)
