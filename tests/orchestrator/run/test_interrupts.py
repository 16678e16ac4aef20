"""SIGTERM and SIGINT at bad moments: within a checkpoint, within a step, and twice."""

import itertools
import signal
import time
from pathlib import Path

import pytest
import warm_commands
from shell_commands import environment, write_config
from small_configs import sinusoid
from small_runs import in_process

from orchestrator.records.metrics_log import read_metrics
from orchestrator.run.resume import find_state
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage

SCRIPT = Path(__file__).with_name("slow_run.py")
STEPS = 60


@pytest.fixture(scope="module")
def config():
    return sinusoid(f"outer.steps={STEPS}", "checkpoint.every=20", "evaluation.every=1000")


def finish(config, folder):
    """Train to the end in this process, from what is in the folder.

    Returns theta's sha256, and the losses.
    """
    storage = Storage(str(folder))
    state, *_ = find_state(config, storage, storage.exists("config.toml"), allow_changes=False)
    run = TrainingRun(config, storage, in_process(config), state)
    list(run.steps())
    run.flush()
    run.close()
    return run.theta_sha256, [(row["step"], row["loss_after"]) for row in read_metrics(storage)]


@pytest.fixture(scope="module")
def undisturbed(config, tmp_path_factory):
    return finish(config, tmp_path_factory.mktemp("runs") / "run")


def start_slow(folder, config, slow):
    """Start a slow run, and wait until it is slow."""
    words = [slow, "train", write_config(folder, config), "--out", "run"]
    process = warm_commands.start(
        folder, *words, environment=environment(), script=SCRIPT, draws=False
    )
    while process.poll() is None and not (folder / "slow").exists():
        time.sleep(0.01)
    return process


def interrupt(folder, config, slow, signals, pause_s):
    """Send signals to a slow run, `pause_s` apart; return its exit code and stderr."""
    process = start_slow(folder, config, slow)
    try:
        for number in signals:
            process.send_signal(number)
            time.sleep(pause_s)
        if slow == "write":
            (folder / "go_on").touch()
        code = process.wait(110)
    finally:
        process.kill()
    return code, process.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "signals",
    [[signal.SIGTERM], [signal.SIGINT, signal.SIGTERM, signal.SIGINT]],
    ids=["SIGTERM", "and again"],
)
def test_a_signal_within_a_checkpoint_waits_for_it_and_for_the_last_step(
    config, undisturbed, tmp_path, signals
):
    code, stderr = interrupt(tmp_path, config, "write", signals, pause_s=0.5)
    assert code == 75, stderr
    assert "Traceback" not in stderr
    storage = Storage(str(tmp_path / "run"))
    statuses = checkpoint.survey(storage)
    assert [status.problem for status in statuses] == [""] * len(statuses)
    assert checkpoint.unfinished(storage) == []
    saved = checkpoint.load_latest(storage)[0].step
    assert saved >= 20
    assert f"saved up to step {saved}\n" in stderr
    assert finish(config, tmp_path / "run") == undisturbed


@pytest.mark.slow
def test_a_second_signal_drops_the_step_and_saves_the_one_before(config, undisturbed, tmp_path):
    signals = [signal.SIGTERM, signal.SIGTERM]
    code, stderr = interrupt(tmp_path, config, "step", signals, pause_s=0.2)
    assert code == 75, stderr
    assert "finishing this step; press Ctrl-C again to abandon it" in stderr
    assert "saved up to step 25\n" in stderr
    assert checkpoint.load_latest(Storage(str(tmp_path / "run")))[0].step == 25
    assert finish(config, tmp_path / "run") == undisturbed


@pytest.mark.slow
def test_signals_that_do_not_stop_coming_do_not_change_the_exit_code(config, tmp_path):
    """Send signals as a batch system or a user who holds Ctrl-C, until the process is gone."""
    process = start_slow(tmp_path, config, "step")
    numbers = itertools.cycle([signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    while process.poll() is None:
        process.send_signal(next(numbers))
        time.sleep(0.02)
    assert process.poll() == 75
    assert "saved up to step 25\nstopped; continue with:" in process.stderr


def stopped(folder, config, awaited, number, **variables):
    """Start a run, signal it a moment after it has printed `awaited`, and wait for its end."""
    words = ["train", write_config(folder, config), "--workers", "1", "--out", "run"]
    process = warm_commands.start(
        folder, *words, environment=environment() | variables, draws=False
    )
    try:
        while awaited not in process.stderr:
            assert process.poll() is None, process.stderr
            time.sleep(0.02)
        time.sleep(1.0)  # within ray.init, or while the actor builds
        process.send_signal(number)
        code = process.wait(120)
    finally:
        process.kill()
    assert code == 75, process.stderr
    assert "stopped; continue with:" in process.stderr
    assert "Traceback" not in process.stderr
    assert "***" not in process.stderr


NUMBERS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize(
    ("awaited", "number"),
    [*(("starting Ray", number) for number in NUMBERS), ("waiting for 1 Ray actor", NUMBERS[0])],
)
def test_a_signal_while_ray_and_its_actors_start_ends_with_75(config, tmp_path, awaited, number):
    """Ray, which takes SIGTERM over for itself when it has started, is in the run's own process."""
    stopped(tmp_path, config, awaited, number)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS[1:])
def test_other_signals_while_actors_start_end_with_75(config, tmp_path, shared_ray, number):
    stopped(tmp_path, config, "waiting for 1 Ray actor", number, RAY_ADDRESS=shared_ray)
