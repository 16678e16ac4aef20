"""Every file of ours: what can be written can be read, drawn and printed."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq
import pytest
import synthetic_run
from any_scores import NAMES, NUMBERS, OPENINGS, TEXTS, VALUES, metrics_rows, results, same, trials
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from markupsafe import escape
from small_configs import sinusoid

from orchestrator.adaptation.predictions import Predictions, as_table
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.records.history import HISTORY_FILE, RunHistory, read_history
from orchestrator.records.metrics_log import MetricsLog, read_metrics, read_whole_rows
from orchestrator.records.result import EVALUATION_FILE, read_result
from orchestrator.reporting.page.comparison import comparison_of
from orchestrator.reporting.page.inner_steps import png_of_each_metric
from orchestrator.reporting.page.page import page_of
from orchestrator.reporting.page.run_folder import read_run
from orchestrator.reporting.terminal import print_result
from orchestrator.storage.storage import Storage
from orchestrator.sweep import record, rows
from orchestrator.sweep.page.sweep_page import write_sweep_page
from orchestrator.sweep.settings import parse_sweep
from orchestrator.text.console import Console
from orchestrator.text.json_text import dumps, loads

any_of = settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Drawing takes its time, and what fails is not made smaller.
any_drawn = settings(any_of, max_examples=4, phases=[Phase.explicit, Phase.generate])
some_of = settings(any_of, max_examples=20)
two_drawn = settings(any_drawn, max_examples=2)
SPACE = {"outer.lr": {"loguniform": [1e-9, 1.0]}}

ANYTHING = st.recursive(
    VALUES, lambda each: st.lists(each) | st.dictionaries(NAMES, each), max_leaves=8
)


def strict(content):
    """JSON as every other program reads it."""

    def refuse(literal):
        raise AssertionError(f"{literal} is no JSON")

    return json.loads(content, parse_constant=refuse)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder, whose files are written over."""
    config = sinusoid("outer.steps=4", "evaluation.every=2")
    return synthetic_run.write_run(tmp_path_factory.mktemp("runs") / "a", config)


def log_into(storage, metrics):
    if storage.exists("metrics.jsonl"):
        storage.delete("metrics.jsonl")
    log = MetricsLog(storage, 0)
    for row in metrics:
        log.append(row)
    log.close()


@some_of
@given(st.dictionaries(TEXTS, ANYTHING))
@example({"loss": math.inf, "rates": [0.1, -math.inf, [math.nan]], "in": {"loss": math.nan}})
def test_json_is_valid_and_comes_back(table):
    table.pop("not_finite", None)
    content = dumps(table)
    strict(content)
    clean = {k.encode("utf-8", "backslashreplace").decode(): v for k, v in table.items()}
    if len(clean) == len(table):
        assert same(clean, loads(content))


@pytest.mark.slow
@any_of
@given(st.dictionaries(TEXTS, ANYTHING))
def test_json_of_many_kinds_is_valid_and_comes_back(table):
    test_json_is_valid_and_comes_back.hypothesis.inner_test(table)


def test_what_older_versions_wrote_for_numbers_that_are_not_finite_is_read():
    assert same({"a": math.nan, "b": -math.inf}, loads('{"a": NaN, "b": -Infinity}'))


def test_null_alone_in_a_row_is_nan_and_never_0(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": null, "more": "text"}\n')
    assert same([{"step": 1, "loss": math.nan}], read_metrics(Storage(str(tmp_path))))


@any_of
@given(results())
def test_scores_are_written_read_and_told(run, result):
    run.write(EVALUATION_FILE, result.to_json().encode())
    strict(run.read(EVALUATION_FILE))
    found = read_result(run)
    assert same(result.model_dump(), found.model_dump())
    print_result(Console(file=io.StringIO()), found, (1, 5))


@two_drawn
@given(results())
def test_scores_are_drawn(run, result):
    run.write(EVALUATION_FILE, result.to_json().encode())
    found = read_run(run)
    assert all(text in page_of(found).decode() for text in map(escape, result.warnings))
    comparison_of([found, found])
    pictures = png_of_each_metric(result.per_step, result.measured)
    assert set(pictures) == {f"{name}_by_inner_step" for name in result.measured}


@pytest.mark.slow
@any_drawn
@given(results())
def test_scores_of_many_kinds_are_drawn(run, result):
    test_scores_are_drawn.hypothesis.inner_test(run, result)


@any_of
@given(metrics_rows())
def test_rows_of_metrics_are_written_and_read(tmp_path_factory, metrics):
    storage = Storage(str(tmp_path_factory.mktemp("run")))
    log_into(storage, metrics)
    for line in storage.read("metrics.jsonl").splitlines():
        strict(line)
    assert same(metrics, read_metrics(storage))
    assert same((metrics, 0), read_whole_rows(storage))


@two_drawn
@given(metrics_rows())
def test_rows_of_metrics_are_drawn(run, metrics):
    log_into(run, metrics)
    found = read_run(run)
    page_of(found)
    comparison_of([found, found])


@pytest.mark.slow
@any_drawn
@given(metrics_rows())
def test_rows_of_metrics_of_many_kinds_are_drawn(run, metrics):
    test_rows_of_metrics_are_drawn.hypothesis.inner_test(run, metrics)


@any_of
@given(OPENINGS)
def test_history_is_written_and_read(tmp_path_factory, opening):
    storage = Storage(str(tmp_path_factory.mktemp("run")))
    RunHistory(storage, opening, pytest.fail)
    strict(storage.read(HISTORY_FILE))
    (found,) = read_history(storage)
    for name in ("command", "pool", "first_step", "cpus", "gpu_names", "actors", "ended"):
        assert same(getattr(opening, name), getattr(found, name))
    RunHistory(storage, opening, pytest.fail)
    assert len(read_history(storage)) == 2


@two_drawn
@given(OPENINGS)
def test_history_is_drawn(run, opening):
    run.delete(HISTORY_FILE)
    RunHistory(run, opening, pytest.fail)
    page_of(read_run(run))


@pytest.mark.slow
@any_drawn
@given(OPENINGS)
def test_history_of_many_kinds_is_drawn(run, opening):
    test_history_is_drawn.hypothesis.inner_test(run, opening)


@any_of
@given(trials())
def test_trials_are_written_and_read(tmp_path_factory, found):
    storage = Storage(str(tmp_path_factory.mktemp("sweep")))
    keys = ["outer.lr", "model.hidden", "workers.count", "task.column"]
    rows.write(storage, found, keys, "loss")
    assert same([vars(row) for row in found], [vars(row) for row in rows.read(storage, "loss")])


@two_drawn
@given(trials())
def test_trials_are_drawn(tmp_path_factory, found):
    storage = Storage(str(tmp_path_factory.mktemp("sweep")))
    sweep = parse_sweep({"base": "sinusoid", "space": SPACE}, "s.toml")
    record.write(storage, sweep, {})
    runs = {row.trial: Storage(str(tmp_path_factory.mktemp("trial"))) for row in found}
    for row, score in zip(found, (1e30, math.inf, 0.5, math.nan, -1e300), strict=False):
        log_into(runs[row.trial], [{"step": 1, "validation_loss": score}])
    first = replace(found[0], score=1.0, status="finished")
    write_sweep_page("s", sweep, storage, runs, [first, *found[1:]], ("loss", "min"), [])


@pytest.mark.slow
@any_drawn
@given(trials())
def test_trials_of_many_kinds_are_drawn(tmp_path_factory, found):
    test_trials_are_drawn.hypothesis.inner_test(tmp_path_factory, found)


@any_of
@given(st.dictionaries(st.sampled_from(["outer.lr", "model.kind", "task.path"]), VALUES))
@example({"outer.lr": [math.nan]})
def test_a_sweep_is_the_same_when_it_is_read_again(tmp_path_factory, table):
    storage = Storage(str(tmp_path_factory.mktemp("sweep")))
    sweep = parse_sweep({"base": "sinusoid", "space": SPACE}, "s.toml")
    record.write(storage, sweep, table)
    strict(storage.read(record.SWEEP_FILE))
    record.check(storage, sweep, table, resume=True)


@any_of
@given(st.lists(NUMBERS, min_size=4, max_size=4), st.lists(TEXTS, min_size=2, max_size=2))
def test_predictions_are_written_and_read(values, names):
    answers = np.array(values).reshape(2, 2, 1)
    nothing = np.zeros((1, 1))
    task = UserTask("", None, nothing, nothing, nothing, None, np.arange(2))
    stream = io.BytesIO()
    pq.write_table(as_table([Predictions(task, answers, None)], names), stream)
    found = pq.read_table(io.BytesIO(stream.getvalue())).to_pylist()
    assert same([float(values[2]), float(values[3])], [row["prediction"] for row in found])
    assert same(names, [row["query"] for row in found])


def test_columns_of_metrics_stay_numbers_for_other_programs(tmp_path):
    metrics = [{"step": 1, "loss_after": math.inf}, {"step": 2, "loss_after": 0.5}]
    storage = Storage(str(tmp_path))
    log_into(storage, metrics)
    table = pyarrow.json.read_json(io.BytesIO(storage.read("metrics.jsonl")))
    assert table["loss_after"].type == pa.float64()
    assert table["loss_after"].to_pylist() == [None, 0.5]
    assert table["not_finite"].to_pylist() == [{"loss_after": "inf"}, None]


@any_of
# Older pandas reads no subnormal number; a mean of float32 losses is none.
@given(st.lists(st.floats(allow_nan=False, allow_subnormal=False), min_size=1, max_size=5))
def test_pandas_reads_the_numbers_of_metrics_as_readme_does(tmp_path_factory, losses):
    storage = Storage(str(tmp_path_factory.mktemp("run")))
    log_into(storage, [{"step": n, "loss_after": x} for n, x in enumerate(losses, start=1)])
    file = storage.local / "metrics.jsonl"
    found = pandas.read_json(file, lines=True, precise_float=True)["loss_after"]
    expected = [x if math.isfinite(x) else math.nan for x in losses]
    assert same(expected, [float(x) for x in found])
