"""Runs by the command line: output, stopping and resuming, and refused changes."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest
import warm_commands
from one_line import assert_one_line_and_nothing_written
from shell_commands import environment, metatrain, snapshot, started, theta_sha256, write_config
from shown_protocol import protocol_in
from small_configs import sinusoid

from orchestrator.cli import app, typed_command
from orchestrator.config.schema import presets
from orchestrator.records.history import read_history
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from orchestrator.sweep.settings import shipped_sweeps

STEPS = 300


def long_run():
    return sinusoid(
        f"outer.steps={STEPS}", "evaluation.every=10000", "checkpoint.every=20", "checkpoint.keep=2"
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A finished run of `long_run`: the folder above its own, and its output."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = started(folder, "train", write_config(folder, long_run()), "--out", "run")
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "run already holds a run; give another --out, or --resume"),
        (
            ["--resume", "--set", "outer.lr=0.5", "--set", "seed=1"],
            "outer.lr = 0.01 there, 0.5 now; seed = 0 there, 1 now",
        ),
    ],
    ids=["another run is there", "resumed with a changed configuration"],
)
def test_a_folder_with_another_run_is_left_as_it_is(undisturbed, words, expected):
    folder, _ = undisturbed
    before = snapshot(folder)
    done = metatrain(folder, "train", "small.toml", "--out", "run", *words)
    assert_one_line_and_nothing_written(done, folder, before, expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--set", "outer.lr=1"], "--set outer.lr does not belong to an evaluation"),
        (["--tasks", "1"], "evaluation.tasks must be at least 2"),
        (["--out", "small.toml"], "--out small.toml exists"),
        (["--set", "model.statistics=running"], "the run was trained with 'batch'"),
    ],
)
def test_a_wrong_evaluation_is_refused(undisturbed, words, expected):
    folder, _ = undisturbed
    before = snapshot(folder)
    done = metatrain(folder, "evaluate", "run", *words)
    assert_one_line_and_nothing_written(done, folder, before, expected)


# What works.


def test_a_run_remembers_the_command_without_its_secrets(undisturbed, monkeypatch):
    (opening,) = read_history(Storage(str(undisturbed[0] / "run")))
    assert opening.command == "metatrain train small.toml --out run"
    assert (opening.ended, opening.last_step) == ("finished", STEPS)
    monkeypatch.setattr(sys, "argv", ["metatrain", "train", "--out", "s3://KEY:SECRET@bucket/a b"])
    assert typed_command.typed() == "metatrain train --out 's3://***@bucket/a b'"


def test_a_ctrl_c_that_no_command_takes_ends_with_75_and_a_word(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.config.schema.presets", interrupted)
    monkeypatch.setattr(sys, "argv", ["metatrain", "presets"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 75
    assert capsys.readouterr().err == "metatrain: interrupted\n"


def test_help_says_which_commands_there_are(tmp_path):
    done = started(tmp_path, "--help")
    assert done.returncode == 0
    for command in (
        "train",
        "evaluate",
        "checkpoints",
        "presets",
        "data",
        "submit",
        "logs",
        "stop",
    ):
        assert command in done.stdout
    assert done.stderr == ""
    for option in ("--set", "--out", "--workers", "--resume", "--allow-changes"):
        assert option in metatrain(tmp_path, "train", "--help").stdout


def test_presets_are_listed_with_what_they_are(tmp_path):
    done = metatrain(tmp_path, "presets")
    assert (done.returncode, done.stderr) == (0, "")
    names = [line for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert names == [*presets(), *(f"tune {name}" for name in shipped_sweeps())]
    assert "Finn et al. 2017" in done.stdout


def test_a_run_prints_its_scores_with_their_protocol_and_where_the_picture_is(undisturbed):
    folder, done = undisturbed
    assert "before and after adaptation" in done.stdout
    rows = protocol_in(done.stdout)
    for name, value in {"shots": "5", "queries": "5", "test tasks": "6", "seed": "0"}.items():
        assert rows[name] == value
    assert (rows["transductive"], rows["loss"]) == ("no", "mean squared error")
    assert "picture: run/picture.png" in done.stdout
    assert (folder / "run" / "picture.png").read_bytes()[:4] == b"\x89PNG"
    state, manifest, _ = checkpoint.load_latest(Storage(str(folder / "run")))
    assert state.step == STEPS
    assert manifest.theta_sha256 == theta_sha256(done.stdout)


CHATTER = re.compile(
    r"tensorflow/|absl|WARNING|oneDNN|cuda|^[IWE]\d{4}|Warning|raylet|Started a local Ray|\x1b",
    re.IGNORECASE | re.MULTILINE,
)


def test_a_run_that_is_not_in_a_terminal_is_plain_text_without_chatter(undisturbed):
    _, done = undisturbed
    assert not CHATTER.search(done.stderr), done.stderr
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stderr
    assert f"step {STEPS}/{STEPS}" in done.stderr


def assert_the_scores_are_the_runs_own(folder, evaluate):
    before = snapshot(folder / "run")
    done = evaluate(folder, "evaluate", "run", "--out", "scores.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "scores.json").read_text()) == json.loads(
        (folder / "run" / "evaluation.json").read_text()
    )
    assert snapshot(folder / "run") == before
    assert not CHATTER.search(done.stderr), done.stderr
    (folder / "scores.json").unlink()


def test_an_evaluation_gives_the_runs_own_scores_again(undisturbed):
    assert_the_scores_are_the_runs_own(undisturbed[0], metatrain)


@pytest.mark.slow
def test_an_evaluation_in_a_new_process_says_nothing_of_tensorflows(undisturbed):
    assert_the_scores_are_the_runs_own(undisturbed[0], started)


def stopped_by(number, folder, *words):
    """Start `metatrain`, send the signal when there are metrics, and wait for the end."""
    process = warm_commands.start(folder, *words, environment=environment())
    try:
        while process.poll() is None:
            if any(file.stat().st_size for file in folder.rglob("metrics.jsonl")):
                process.send_signal(number)
                break
            time.sleep(0.02)
        return process.done()
    finally:
        process.kill()


def words_of(command):
    """Split a command into words as a shell does."""
    shell = ["bash", "-c", f"printf '%s\\0' {command}"]
    words = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    return words.removesuffix("\0").split("\0")


@pytest.mark.parametrize(
    ("number", "out"),
    [
        (signal.SIGTERM, []),
        (signal.SIGINT, ["--out", "a run"]),
    ],
    ids=["SIGTERM", "SIGINT"],
)
@pytest.mark.quick("SIGTERM")
def test_a_signal_ends_with_75_and_the_command_that_goes_on_to_the_same_theta(
    undisturbed, tmp_path, number, out
):
    write_config(tmp_path, long_run())
    stopped = stopped_by(number, tmp_path, "train", "small.toml", *out)
    stderr = stopped.stderr
    assert stopped.returncode == 75, stderr
    assert stopped.stdout == ""
    assert "Traceback" not in stderr
    *_, saved, last = stderr.splitlines()
    assert "finishing this step; press Ctrl-C again to abandon it" in stderr
    newest = max(file.parent.name for file in tmp_path.rglob("manifest.json"))
    assert saved == f"saved up to step {int(newest.removeprefix('ckpt-'))}"
    assert last.startswith("stopped; continue with: metatrain train small.toml ")

    program, *command = words_of(last.removeprefix("stopped; continue with: "))
    assert program == "metatrain"
    done = warm_commands.run(tmp_path, *command, environment=environment(), draws=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"resuming after step \d+", done.stderr), done.stderr
    assert theta_sha256(done.stdout) == theta_sha256(undisturbed[1].stdout)
    folders = [file.parent for file in tmp_path.rglob("metrics.jsonl")]
    assert [str(f.relative_to(tmp_path)) for f in folders] == [out[-1] if out else "runs/small"]
    rows = (folders[0] / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == list(range(1, STEPS + 1))


def test_a_loss_that_explodes_ends_with_1_and_one_line_and_leaves_the_checkpoints(tmp_path):
    config = sinusoid("outer.optimizer=sgd", "outer.lr=10", "outer.steps=50", "checkpoint.every=1")
    done = metatrain(tmp_path, "train", write_config(tmp_path, config), "--out", "run")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("metatrain: ")
    assert re.search(r"step \d+.*not finite", last)
    storage = Storage(str(tmp_path / "run"))
    names = checkpoint.names(storage)
    assert len(names) >= 2
    for name in names:
        checkpoint.load(storage, name)


def test_a_rate_that_explodes_at_once_leaves_step_0(tmp_path):
    config = sinusoid("algorithm.inner_lr=1e30")
    done = metatrain(tmp_path, "train", write_config(tmp_path, config), "--out", "run")
    assert done.returncode == 1, done.stderr
    assert "step 0, task 0: gradient not finite" in done.stderr.splitlines()[-1]
    state, _ = checkpoint.load(Storage(str(tmp_path / "run")), "ckpt-00000000")
    assert state.step == 0


@pytest.mark.ray
@pytest.mark.slow
def test_a_run_on_ray_has_the_same_theta_and_no_chatter_either(undisturbed, tmp_path):
    words = ["--out", "run", "--workers", "1"]
    done = started(tmp_path, "train", write_config(tmp_path, long_run()), *words)
    assert done.returncode == 0, done.stderr
    assert "1 Ray actor" in done.stderr
    assert not CHATTER.search(done.stderr), done.stderr
    assert theta_sha256(done.stdout) == theta_sha256(undisturbed[1].stdout)
