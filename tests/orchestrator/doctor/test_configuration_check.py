"""The check of a configuration, from measurements that work or fail."""

import pytest
from small_configs import navigation, sinusoid

from orchestrator.doctor import configuration_check, machine
from orchestrator.doctor.child import ChildDiedError, ChildTimeoutError
from orchestrator.doctor.configuration_check import check_configuration
from orchestrator.doctor.derivative import Layers
from orchestrator.doctor.findings import duration, inner_loop_finding, memory_finding
from orchestrator.doctor.measure import Local, Measurement, Shared
from workers.tasks.registry import make_family
from workers.wire.errors import DataError, PoolError

GB = 1_000_000_000
LOCAL = Local(100, 400, 4, 7.0, 3.0, 0.050, 0.2, 0.202, peak_bytes=GB)
SHARED = Shared(2, 2, 0.055, 0.116, 20.0, driver_bytes=GB, actor_bytes=GB)
LAYERS = Layers([], [], 3)


class Children:
    """A stand-in for processes: answers by the function's name, and raises exceptions."""

    def __init__(self, **answers):
        self.answers = answers

    def __call__(self, function, *arguments, say, limit_s=None):
        answer = self.answers[function.__name__]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def check(monkeypatch):
    """A function that checks a configuration, and returns findings by name, and rows."""
    monkeypatch.setattr(machine, "available_bytes", lambda: 64 * GB)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def run(measure_here, measure_on_actors=SHARED, num_actors=2):
        children = Children(measure_here=measure_here, measure_on_actors=measure_on_actors)
        monkeypatch.setattr(configuration_check, "in_child", children)
        config = sinusoid()
        checked = check_configuration(config, make_family(config.task), num_actors, print)
        return {finding.what: finding for finding in checked.findings}, checked.rows

    return run


def test_a_model_that_runs_has_rows_and_nothing_broken(check):
    findings, rows = check(Measurement(LAYERS, LOCAL))
    assert all(finding.verdict in ("well", "note") for finding in findings.values())
    assert [row.num_actors for row in rows][:3] == [0, 1, 2]
    assert rows[2].step_s == SHARED.step_s


@pytest.mark.parametrize("error", [ChildDiedError("SIGKILL"), RuntimeError("odd\nmore")])
def test_a_model_whose_process_dies_is_broken(check, error):
    findings, rows = check(error)
    assert findings["model"].verdict == "broken"
    assert findings["model"].found in ("SIGKILL", "odd")
    assert rows == []


def test_a_wrong_model_is_the_users_to_correct(check):
    with pytest.raises(DataError, match="no such model"):
        check(DataError("no such model"))


def test_training_that_fails_is_broken_and_its_layers_are_told_all_the_same(check):
    findings, rows = check(Measurement(LAYERS, None, "a task raised"))
    assert (findings["training"].verdict, findings["training"].found) == ("broken", "a task raised")
    assert findings["2nd derivative"].verdict == "well"
    assert rows == []


@pytest.mark.parametrize("error", [PoolError("no room"), ChildTimeoutError("late"), OSError("x")])
def test_where_actors_fail_one_process_is_forecast(check, error):
    findings, rows = check(Measurement(LAYERS, LOCAL), error)
    assert findings["2 actors"].verdict == "broken"
    assert "--workers 0" in findings["2 actors"].advice
    assert [row.basis for row in rows][:2] == ["measured", "forecast"]


def test_without_actors_none_are_started(check):
    _, rows = check(Measurement(LAYERS, LOCAL), AssertionError(), num_actors=0)
    assert rows


@pytest.mark.parametrize(
    ("free", "verdict", "advice"),
    [
        (64 * GB, "well", ""),
        (2 * GB + 1, "warning", "--workers 1 or fewer"),
        (GB // 2, "broken", "workers.block_size"),
        (None, "well", ""),
    ],
)
def test_memory_is_compared_with_what_there_is(check, free, verdict, advice):
    _, rows = check(Measurement(LAYERS, LOCAL))
    finding = memory_finding(sinusoid(), rows, 2, free)
    assert finding.verdict == verdict
    assert advice in finding.advice


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            [],
            "store: memory of 1 inner step (runtime.inner_memory = 'auto', which is 'store' up to",
        ),
        (["algorithm.inner_steps=11"], "'auto', which is 'recompute' above 10 inner steps"),
        (
            ["algorithm.inner_steps=2", "runtime.inner_memory=recompute"],
            "recompute: memory of one inner step, whatever their number (runtime.inner_memory = "
            "'recompute')",
        ),
        (["runtime.micro_batch=3"], "and of 3 examples at a time"),
        (["algorithm.kind=imaml"], "memory of one inner step (algorithm.kind = 'imaml')"),
    ],
)
def test_the_doctor_says_how_training_goes_back_through_the_inner_loop(overrides, expected):
    assert expected in inner_loop_finding(sinusoid(*overrides)).found


def test_many_inner_steps_of_policies_are_stored():
    finding = inner_loop_finding(navigation("algorithm.inner_steps=11"))
    assert "store: memory of 11 inner steps" in finding.found
    assert "which is 'store' for policies" in finding.found


def test_what_has_no_inner_loop_in_training_has_no_line_of_it(check):
    assert inner_loop_finding(sinusoid("algorithm.kind=joint")) is None
    assert "inner loop" in check(Measurement(LAYERS, LOCAL))[0]


def test_too_little_memory_for_stored_steps_has_another_way(check):
    _, rows = check(Measurement(LAYERS, LOCAL))
    config = sinusoid("algorithm.inner_steps=5")
    assert "inner_memory = 'recompute'" in memory_finding(config, rows, 2, GB // 2).advice


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0013, "1.3 ms"),
        (0.052, "52 ms"),
        (0.9996, "1000 ms"),
        (3.14, "3.1 s"),
        (119, "119 s"),
        (270, "4.5 min"),
        (7200, "2.0 h"),
    ],
)
def test_durations_have_two_digits_and_a_unit(seconds, text):
    assert duration(seconds) == text
