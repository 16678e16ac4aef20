import signal
import sys

import pytest
from ray._private import utils

from orchestrator.pool.ray_signals import keep_signals
from orchestrator.run.signals import GracefulStop, Interrupted


class Weak:
    """An object whose exception during garbage collection is lost."""

    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def stop():
    handlers = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    yield GracefulStop()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def exit_as_ray_does(number, frame):
    sys.exit(number)


def start_and_terminate(lost):
    utils.set_sigterm_handler(exit_as_ray_does)
    if lost:
        Weak()
    else:
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("lost", [False, True], ids=["raised", "lost in a callback"])
def test_a_sigterm_while_ray_starts_reaches_the_handler_of_the_process(stop, capsys, lost):
    ours = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match="SIGTERM"), keep_signals():
        start_and_terminate(lost)
    assert stop.requested
    assert signal.getsignal(signal.SIGTERM) == ours
    assert capsys.readouterr().err == ""


def test_an_exit_of_rays_own_stays_one(stop):
    with pytest.raises(SystemExit) as raised, keep_signals():
        sys.exit(signal.SIGTERM)
    assert raised.value.code == signal.SIGTERM
    assert not stop.requested


def test_an_error_that_is_lost_while_ray_starts_is_still_reported(stop, capsys, monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    with keep_signals():
        sys.unraisablehook(type("Lost", (), {"exc_type": ValueError}))
    assert [lost.exc_type for lost in reported] == [ValueError]


def test_afterwards_ray_installs_handlers_again(stop):
    install = utils.set_sigterm_handler
    with keep_signals():
        assert utils.set_sigterm_handler is not install
    assert utils.set_sigterm_handler is install


class Interrupting:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def test_a_keyboard_interrupt_that_is_lost_while_ray_starts_comes_out_of_it(capsys):
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), keep_signals():
            Interrupting()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == ""


def test_a_signal_that_its_handler_only_notes_is_not_delivered_twice():
    before, noted = signal.getsignal(signal.SIGINT), []
    signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
    try:
        with keep_signals():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert noted == [signal.SIGINT]
