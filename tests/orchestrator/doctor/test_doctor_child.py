"""Functions that run in a new process."""

import os
import signal
import time

import pytest

from orchestrator.doctor.child import ChildDiedError, ChildTimeoutError, in_child
from workers.wire.errors import DataError, MetatrainError


def double(tell, number):
    tell("doubling")
    return os.getpid(), 2 * number


def refuse(tell):
    raise DataError("no such data")


class OddError(Exception):
    """An exception that does not unpickle, as it needs two arguments."""

    def __init__(self, one, two):
        super().__init__(one)


def fail_oddly(tell):
    raise OddError("odd", 2)


def die(tell):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(tell):
    os._exit(3)


def hang(tell):
    time.sleep(600)


def ignore_and_hang(tell):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hang(tell)


def test_the_answer_and_what_is_told_come_back_from_another_process():
    messages = []
    pid, answer = in_child(double, 21, say=messages.append)
    assert (answer, messages) == (42, ["doubling"])
    assert pid != os.getpid()


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (refuse, DataError, "no such data"),
        (fail_oddly, MetatrainError, "OddError: odd"),
        (die, ChildDiedError, "killed by SIGKILL: the machine may lack memory"),
        (leave, ChildDiedError, "exit code 3"),
    ],
)
def test_what_is_raised_and_how_it_dies_is_told(function, error, message):
    with pytest.raises(error, match=message):
        in_child(function, say=print)


@pytest.mark.parametrize("function", [hang, ignore_and_hang])
def test_one_that_hangs_is_given_up_and_ended(monkeypatch, function):
    from orchestrator.doctor import child

    monkeypatch.setattr(child, "_END_S", 1.0)
    with pytest.raises(ChildTimeoutError, match="no answer in 0 s"):
        in_child(function, say=print, limit_s=0.1)
