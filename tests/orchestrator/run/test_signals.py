"""The handling of signals within a process; test_interrupts.py tests whole commands."""

import signal

import pytest

from orchestrator.run.signals import GracefulStop, Interrupted, PythonInterrupt

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers_as_before():
    """And none is ignored at first, as SIGHUP is where the tests themselves run under nohup."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    for number in NUMBERS:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
def test_a_signal_outside_of_a_step_ends_at_once(number):
    GracefulStop()
    with pytest.raises(Interrupted, match=number.name):
        signal.raise_signal(number)


def test_the_first_signal_in_a_step_is_noted_and_said_and_the_second_drops_the_step(capfd):
    stop = GracefulStop()
    with stop.deferred():
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested
        with pytest.raises(Interrupted, match="SIGINT"):
            signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err == "\nfinishing this step; press Ctrl-C again to abandon it\n"


def test_a_signal_that_was_noted_ends_the_run_after_the_step():
    stop = GracefulStop()
    stop.stop_if_requested()
    with stop.deferred():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(Interrupted, match="between two steps"):
        stop.stop_if_requested()


def test_once_it_ends_no_further_signal_comes_in_between():
    stop = GracefulStop()
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert stop.requested


def test_signals_do_nothing_while_they_are_ignored():
    stop = GracefulStop()
    with stop.ignored():
        signal.raise_signal(signal.SIGTERM)
    assert not stop.requested
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_ends_at_once_what_is_not_waited_for():
    stop = GracefulStop()
    with stop.deferred():
        with pytest.raises(Interrupted, match="SIGTERM"), stop.at_once():
            signal.raise_signal(signal.SIGTERM)
        assert stop.requested


def test_what_is_not_waited_for_does_not_begin_if_a_signal_was_noted(capfd):
    stop = GracefulStop()
    with stop.deferred():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted), stop.at_once():
            pytest.fail("it began")


def test_after_what_is_not_waited_for_signals_are_noted_again(capfd):
    stop = GracefulStop()
    with stop.deferred():
        with stop.at_once():
            pass
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested


def test_in_python_too_an_interrupt_ends_at_once_what_is_not_waited_for(capfd):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stop = PythonInterrupt()
    with stop.deferred():
        with stop.at_once():
            pass
        with pytest.raises(KeyboardInterrupt), stop.at_once():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt), stop.at_once():
            pytest.fail("it began")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("before", "is_ours"), [(signal.SIG_IGN, False), (signal.SIG_DFL, True)], ids=["nohup", "usual"]
)
def test_under_nohup_the_end_of_a_terminal_ends_nothing(before, is_ours):
    signal.signal(signal.SIGHUP, before)
    stop = GracefulStop()
    assert (signal.getsignal(signal.SIGHUP) == stop._receive) is is_ours


def test_at_the_very_end_no_signal_changes_the_exit_code():
    GracefulStop().ignore_to_the_end()
    assert {signal.getsignal(number) for number in NUMBERS} == {signal.SIG_IGN}
