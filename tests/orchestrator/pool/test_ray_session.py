import os
import sys

import pytest
import ray
from ray._private import services
from ray._private import worker as ray_worker

from orchestrator.pool import ray_session
from orchestrator.pool.ray_session import end_ray, interruptible, start_in_new_sessions, start_ray
from orchestrator.run.signals import Interrupted
from workers.wire.errors import PoolError


def as_ray_does(cause):
    """Compiled code that is left by an exception while it has a result makes this of it."""
    raise SystemError("returned a result with an exception set") from cause


@pytest.mark.parametrize("cause", [Interrupted("SIGTERM"), KeyboardInterrupt()])
def test_what_a_signal_raises_in_compiled_code_comes_out_as_it_was_raised(cause):
    with pytest.raises(type(cause)) as raised, interruptible():
        as_ray_does(cause)
    assert raised.value is cause


@pytest.mark.parametrize("cause", [None, ValueError("a fault")])
def test_any_other_error_of_the_system_stays_one(cause):
    with pytest.raises(SystemError), interruptible():
        as_ray_does(cause)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (Exception("The current node timed out during startup. This could happen ..."), PoolError),
        (ValueError("timed out during startup"), ValueError),
        (Exception("another fault"), Exception),
    ],
)
def test_a_ray_that_is_late_on_a_busy_machine_is_told_in_a_line(monkeypatch, error, raised):
    def init(**options):
        raise error

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(raised) as caught:
        start_ray(1, verbose=False)
    assert type(caught.value) is raised
    if raised is PoolError:
        assert str(caught.value).startswith(
            "Ray did not start within 30 s, because this machine is busy;"
        )


def test_what_ray_prints_is_dropped_only_until_our_ray_ends(monkeypatch):
    printing = ray_worker.print_to_stdstream
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", lambda **options: None)
    monkeypatch.setattr(ray_session, "enable_tokens", lambda: None)
    start_ray(1, verbose=False)
    assert ray_worker.print_to_stdstream is not printing
    end_ray()
    assert ray_worker.print_to_stdstream is printing


def test_a_signal_to_the_drivers_group_does_not_reach_what_ray_starts():
    popen = services.ConsolePopen
    command = [sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"]
    with start_in_new_sessions():
        with services.ConsolePopen(command, stdout=-1, text=True) as apart:
            answer = apart.communicate()[0]
        assert answer == "True\n"
    assert services.ConsolePopen is popen
    assert os.getsid(0) != apart.pid
