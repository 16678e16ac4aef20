"""A service's run ends with the run, also if this ends while services are opened."""

import contextlib
import signal
from types import SimpleNamespace

import pytest
import small_trackers
from small_configs import sinusoid

from orchestrator.run import train
from orchestrator.run.signals import GracefulStop, Interrupted
from orchestrator.storage.storage import Storage
from orchestrator.tracking import registry


@pytest.fixture
def mlflow(monkeypatch):
    place = registry.SERVICES["mlflow"].place
    service = registry.Service("MLflow", lambda uri, key: None, place)
    monkeypatch.setitem(registry.SERVICES, "mlflow", service)
    return small_trackers.installed(monkeypatch, small_trackers.SmallMlflow())


def full():
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("fault", "raised", "status"),
    [
        (full, OSError, "FAILED"),
        (lambda: signal.raise_signal(signal.SIGTERM), Interrupted, "KILLED"),
    ],
    ids=["full disk", "signal"],
)
def test_what_ends_a_run_while_services_are_opened_ends_theirs(
    mlflow, tmp_path, monkeypatch, fault, raised, status
):
    storage, left = Storage(str(tmp_path / "run")), []

    @contextlib.contextmanager
    def open_run(*arguments, **options):
        yield SimpleNamespace(storage=storage, leave=left.append)

    monkeypatch.setattr(train, "open_run", open_run)
    monkeypatch.setattr(storage, "write_changed", lambda *arguments: fault())
    config = sinusoid("tracking.mlflow=sqlite:///x")
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        with pytest.raises(raised):
            train.train(config, [], storage.location, False, False, False, GracefulStop())
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert [run["status"] for run in mlflow.runs.values()] == [status]
    assert len(left) == 1
