"""`metatrain train --seeds N`: a run from each seed, their mean and spread."""

import io
import json
import math
import signal
import time
from contextlib import redirect_stdout
from functools import partial
from statistics import stdev

import pytest
import warm_commands
from inline_command import metatrain
from shell_commands import environment, snapshot, write_config
from small_configs import sinusoid

from orchestrator.cli.app import main
from orchestrator.records.seed_scores import over_seeds
from orchestrator.run import seeds
from orchestrator.run.signals import Interrupted
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage

pytestmark = pytest.mark.usefixtures("shared_runners")
SEEDS = [3, 4]


def theta(run):
    """The sha256 of the newest checkpoint's theta."""
    return checkpoint.load_latest(Storage(str(run)))[1].theta_sha256


@pytest.fixture(scope="module")
def trained(tmp_path_factory, shared_runners):
    """The folder above `runs/small`, with two seeds, and what the command printed."""
    folder = tmp_path_factory.mktemp("seeds")
    write_config(folder, sinusoid("seed=3"))
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as monkeypatch, redirect_stdout(printed):
        monkeypatch.chdir(folder)
        monkeypatch.setattr("sys.argv", ["metatrain", "train", "small.toml", "--seeds", "2"])
        main()
    return folder, printed.getvalue()


def test_each_run_is_the_one_of_its_seed_alone(trained, monkeypatch, capsys):
    folder, _ = trained
    monkeypatch.chdir(folder)
    assert len({theta(folder / f"runs/small/seed-{seed}") for seed in SEEDS}) == 2
    words = ["train", "small.toml", "--set", "seed=4", "--out", "alone"]
    assert metatrain(capsys, monkeypatch, *words)[0] == 0
    assert theta(folder / "alone") == theta(folder / "runs/small/seed-4")


def test_the_mean_and_the_spread_stand_beside_the_intervals_over_tasks(trained):
    folder, printed = trained
    document = json.loads((folder / "runs/small/seeds.json").read_text())
    assert [row["seed"] for row in document["seeds"]] == SEEDS
    losses = []
    for row in document["seeds"]:
        result = json.loads((folder / "runs/small" / row["run"] / "evaluation.json").read_text())
        assert row["after"] == result["after"]
        assert row["after"]["loss_ci95"] > 0
        losses.append(result["after"]["loss"])
    after = document["after"]
    assert after["loss"] == pytest.approx(sum(losses) / 2)
    assert after["loss_std"] == pytest.approx(stdev(losses))
    assert after["loss_ci95"] == pytest.approx(12.706 * stdev(losses) / math.sqrt(2))
    assert "Test mean squared error of 2 seeds" in printed
    assert f"standard deviation over seeds {stdev(losses):.4g}" in printed
    page = (folder / "runs/small/report.html").read_text()
    assert "mean over 2 seeds: seed-3, seed-4" in page
    assert "standard deviation over seeds" in page


def test_a_folder_of_seeds_is_not_taken_twice_nor_for_a_run(trained, monkeypatch, capsys):
    folder, _ = trained
    monkeypatch.chdir(folder)
    before = snapshot(folder)
    for words, message in (
        (["train", "small.toml", "--seeds", "2"], "already holds runs from several seeds"),
        (["train", "small.toml"], "is not empty"),
        (["report", "runs/small"], "holds the runs of several seeds"),
    ):
        out = [] if words[0] == "report" else ["--out", "runs/small"]
        code, _, err = metatrain(capsys, monkeypatch, *words, *out)
        assert code == 2
        assert message in err.splitlines()[-1]
    for number in (1, 1001):
        code, _, err = metatrain(capsys, monkeypatch, "train", "small.toml", "--seeds", number)
        assert code == 2
        assert f"--seeds {number}: a number of seeds, 2 to 1000, has a spread; one run" in err
        assert err.count("\n") == 1
    assert snapshot(folder) == before


@pytest.mark.slow
def test_a_kill_in_the_middle_continues_where_it_stopped(trained, tmp_path, monkeypatch, capsys):
    write_config(tmp_path, sinusoid("seed=3"))
    words = ["train", "small.toml", "--seeds", "2", "--out", "all"]
    process = warm_commands.start(tmp_path, *words, environment=environment())
    second = tmp_path / "all" / "seed-4" / "metrics.jsonl"
    while process.poll() is None and not (second.exists() and second.stat().st_size):
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    monkeypatch.chdir(tmp_path)
    assert_it_continues(trained[0], tmp_path, partial(metatrain, capsys, monkeypatch, *words))


def test_a_stop_says_how_to_continue_and_finished_runs_are_kept(
    trained, tmp_path, monkeypatch, capsys
):
    write_config(tmp_path, sinusoid("seed=3"))
    monkeypatch.chdir(tmp_path)
    words = ["train", "small.toml", "--seeds", "2", "--out", "all"]
    whole, calls = seeds.train, []

    def stopped_at_the_second(*given):
        calls.append(given)
        if len(calls) == 2:
            raise Interrupted("SIGTERM")
        return whole(*given)

    with monkeypatch.context() as stopping:
        stopping.setattr(seeds, "train", stopped_at_the_second)
        code, out, err = metatrain(capsys, monkeypatch, *words, "--json")
    assert (code, out) == (75, "")
    assert err.splitlines()[-1].endswith("train small.toml --seeds 2 --out all --json --resume")
    assert_it_continues(trained[0], tmp_path, partial(metatrain, capsys, monkeypatch, *words))


def assert_it_continues(undisturbed, folder, run):
    """A resume keeps the first run, and ends as the undisturbed command did."""
    first = snapshot(folder / "all" / "seed-3")
    assert first
    assert "after" not in json.loads((folder / "all" / "seeds.json").read_text())
    code, out, err = run("--resume", "--json")
    assert code == 0, err
    assert "seed 3 (1 of 2): finished before" in err
    assert snapshot(folder / "all" / "seed-3") == first
    whole = json.loads((undisturbed / "runs/small/seeds.json").read_text())
    assert json.loads(out) == {"folder": "all", **whole}
    for seed in SEEDS:
        assert theta(folder / f"all/seed-{seed}") == theta(undisturbed / f"runs/small/seed-{seed}")


def test_a_resume_finds_the_folder_and_repeats_nothing(trained, monkeypatch, capsys):
    folder, _ = trained
    monkeypatch.chdir(folder)
    before = {run: snapshot(folder / f"runs/small/seed-{run}") for run in SEEDS}
    code, _, err = metatrain(capsys, monkeypatch, "train", "small.toml", "--seeds", "2", "--resume")
    assert code == 0, err
    assert err.count("finished before") == 2
    assert {run: snapshot(folder / f"runs/small/seed-{run}") for run in SEEDS} == before


def test_a_resume_with_other_numbers_is_refused(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained[0])
    words = ["--seeds", "2", "--resume", "--set", "outer.lr=0.5"]
    code, _, err = metatrain(capsys, monkeypatch, "train", "small.toml", *words)
    assert code == 2
    assert "was trained with other numbers: outer.lr" in err.splitlines()[-1]


def test_a_score_that_is_not_finite_makes_no_mean():
    assert all(map(math.isnan, over_seeds("loss", [1.0, math.inf]).values()))
    assert over_seeds("loss", [1.0, 3.0])["loss_std"] == pytest.approx(math.sqrt(2))
