import io
import math
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from orchestrator.storage.storage import Storage
from orchestrator.sweep import rows as sweep_rows
from orchestrator.sweep.rows import Row, ranked, updated

KEYS = ["outer.lr", "model.hidden", "workers.count", "algorithm.inner_batch"]
ROWS = [
    Row(
        "a", {"outer.lr": 0.1, "model.hidden": [8], "workers.count": "auto"}, "finished", 12, 0.5, 8
    ),
    Row(
        "b",
        {"outer.lr": 1, "model.hidden": [4, 4], "workers.count": 2, "algorithm.inner_batch": 3},
        "running",
        4,
        0.75,
        4,
        {"accuracy": 0.75, "loss": 1.5},
        2.5,
        1,
        "/runs/b",
    ),
    Row("c", {"model.hidden": [], "workers.count": [1]}, "failed", failed="θ is not finite"),
]


def report(step, loss, run="/runs/a", **more):
    return {
        "step": step,
        "finished": False,
        "loss": loss,
        "accuracy": 1 - loss,
        "seconds": step / 2,
        "run": run,
        "replaced_actors": 0,
        "failed": "",
        **more,
    }


def after(row, *reports, metric="loss", mode="min"):
    for each in reports:
        row = updated(row, each, ("accuracy", "loss"), metric, mode)
    return row


def table_in(storage):
    return pq.read_table(io.BytesIO(storage.read(sweep_rows.TRIALS_FILE)))


def test_rows_come_back_as_they_were_written(tmp_path):
    storage = Storage(str(tmp_path))
    sweep_rows.write(storage, ROWS, KEYS, "accuracy")
    read = sweep_rows.read(storage, "accuracy")
    assert math.isnan(read[2].score)
    assert [replace(row, score=0.0) for row in read] == [replace(row, score=0.0) for row in ROWS]
    assert [row.score for row in read[:2]] == [0.5, 0.75]
    assert [type(row.point.get("outer.lr")) for row in read[:2]] == [float, int]


def test_a_column_has_the_values_or_their_text_where_they_are_of_several_types(tmp_path):
    storage = Storage(str(tmp_path))
    sweep_rows.write(storage, ROWS, KEYS, "accuracy")
    table = table_in(storage).to_pydict()
    assert table["outer.lr"] == [0.1, 1.0, None]
    assert table["model.hidden"] == [[8], [4, 4], []]
    assert table["workers.count"] == ["auto", "2", "[1]"]
    assert table["algorithm.inner_batch"] == [None, 3, None]
    assert table["best_accuracy"] == [0.5, 0.75, None]
    assert table["last_loss"] == [None, 1.5, None]
    assert table["status"] == ["finished", "running", "failed"]


def test_a_sweep_without_trials_is_written_and_read(tmp_path):
    storage = Storage(str(tmp_path))
    assert sweep_rows.read(storage, "loss") == []
    sweep_rows.write(storage, [], KEYS, "loss")
    assert sweep_rows.read(storage, "loss") == []
    assert set(KEYS) <= set(table_in(storage).column_names)


def test_rows_are_ranked_by_score_without_those_that_have_none_or_failed():
    scores = {"a": 2.0, "b": math.nan, "c": 1.0, "d": 3.0, "e": math.inf, "f": 0.0, "g": 9.0}
    rows = [Row(name, {}, "stopped", score=score) for name, score in scores.items()]
    rows[5:] = [replace(row, status="failed") for row in rows[5:]]
    assert [row.trial for row in ranked(rows, "min")] == ["c", "a", "d"]
    assert [row.trial for row in ranked(rows, "max")] == ["d", "a", "c"]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_of_equals_the_earlier_comes_first(mode):
    rows = [Row(name, {}, "finished", score=1.0) for name in "badc"]
    assert [row.trial for row in ranked(rows, mode)] == list("badc")


def test_a_report_is_taken_in():
    row = after(Row("a", {"outer.lr": 1}), report(4, 0.25, replaced_actors=2))
    latest = {"accuracy": 0.75, "loss": 0.25}
    assert row == Row("a", {"outer.lr": 1}, "running", 4, 0.25, 4, latest, 2.0, 2, "/runs/a")


@pytest.mark.parametrize(
    ("mode", "best", "step"),
    [("min", 1.0, 8), ("max", 3.0, 4)],
)
def test_the_score_is_the_best_so_far_and_the_earliest_of_equals(mode, best, step):
    losses = [3.0, 1.0, 3.0, 1.0, 2.0]
    row = after(Row("a", {}), *(report(4 * i + 4, x) for i, x in enumerate(losses)), mode=mode)
    assert (row.score, row.best_step, row.step) == (best, step, 20)
    assert row.latest["loss"] == 2.0


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_score_that_is_nan_is_never_the_best(mode):
    first = after(Row("a", {}), report(4, math.nan), mode=mode)
    assert math.isnan(first.score)
    second = after(first, report(8, 2.0), report(12, math.nan), mode=mode)
    assert (second.score, second.best_step, second.step) == (2.0, 8, 12)


def test_a_failure_keeps_what_was_reached():
    row = after(Row("a", {}), report(4, 1.0))
    failed = after(row, {"failed": "θ is not finite", "loss": math.nan, "done": True})
    assert failed == replace(row, status="failed", failed="θ is not finite")
    assert failed.is_over


def test_a_score_of_another_folder_is_of_another_configuration():
    row = after(Row("a", {}), report(4, 1.0), report(8, 2.0, run="/runs/a-2"))
    assert (row.score, row.best_step, row.run) == (2.0, 8, "/runs/a-2")


@pytest.mark.parametrize(
    ("status", "is_over"),
    [
        ("waiting", False),
        ("running", False),
        ("finished", True),
        ("stopped", True),
        ("failed", True),
    ],
)
def test_a_trial_is_over_once_it_cannot_go_on(status, is_over):
    assert Row("a", {}, status).is_over is is_over


def test_a_trial_is_finished_when_its_run_is_however_long_that_was():
    row = after(Row("a", {"outer.steps": 4}), report(4, 1.0, finished=True))
    assert (row.status, row.is_over) == ("finished", True)
    assert after(Row("a", {"outer.steps": 8}), report(4, 1.0)).status == "running"
