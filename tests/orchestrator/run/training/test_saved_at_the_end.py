"""A run that ends early, whatever ends it: its last whole step is saved."""

import signal

import pytest
from ray.exceptions import OutOfDiskError
from training_runs import finish, start, steps_logged

from orchestrator.pool.watched_pool import Watch
from orchestrator.run.signals import GracefulStop, Interrupted, NoStop
from orchestrator.run.train import _train
from orchestrator.storage import checkpoint
from orchestrator.tracking.tracking import Tracking
from workers.wire.errors import PoolError


def train(config, run, stop=None):
    """Train as `metatrain train` does."""
    tracking = Tracking(config, run.storage, print)
    try:
        _train(config, run, stop or NoStop(), Watch(), tracking)
    finally:
        run.close()


def raising_at(step, error, run):
    """A pool that runs blocks like the run's own, until a training step."""
    run_blocks = run.launch.pool.run

    def raise_or_run(weights, blocks):
        if blocks[0].kind == "train" and blocks[0].step == step:
            raise error
        return run_blocks(weights, blocks)

    return raise_or_run


@pytest.mark.parametrize(
    "error",
    [
        PoolError("nobody is left"),
        MemoryError(),
        OutOfDiskError("the disk is full"),
        OSError(5, ""),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_ends_a_run_its_last_whole_step_is_saved(config, tmp_path, monkeypatch, error):
    run = start(config, tmp_path / "run")
    monkeypatch.setattr(run.launch.pool, "run", raising_at(2, error, run))
    with pytest.raises(type(error)) as raised:
        train(config, run)
    assert raised.value is error
    state, *_ = checkpoint.load_latest(run.storage)
    assert state.step == 2


def test_a_signal_within_a_validation_ends_it_and_a_resume_is_the_undisturbed_run(
    finished, config, tmp_path, monkeypatch
):
    folder, _, expected, theta_sha256 = finished
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def signalled(*arguments):
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("the validation went on")

    try:
        stop = GracefulStop()
        run = start(config, tmp_path / "run", stop=stop)
        with monkeypatch.context() as patch:
            patch.setattr("orchestrator.run.training_run.validate", signalled)
            with pytest.raises(Interrupted):
                train(config, run, stop)
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    again = start(config, tmp_path / "run", resume=True)
    assert again.first_step == 3
    _, result = finish(again)
    assert (again.theta_sha256, result) == (theta_sha256, expected)
    assert steps_logged(tmp_path / "run") == steps_logged(folder)


def test_what_goes_wrong_while_saving_does_not_hide_why_the_run_ended(
    config, tmp_path, monkeypatch
):
    run = start(config, tmp_path / "run")

    def no_memory():
        raise MemoryError

    error = PoolError("nobody is left")
    monkeypatch.setattr(run, "save", no_memory)
    monkeypatch.setattr(run.launch.pool, "run", raising_at(1, error, run))
    with pytest.raises(PoolError, match="nobody is left"):
        train(config, run)
