import math
from dataclasses import replace

import pytest
from small_results import result, run_with

from orchestrator.records.history import HistoryEntry
from orchestrator.reporting.page.findings import findings


def texts_of(kind=None, **changes):
    return [f.text for f in findings(run_with(**changes)) if kind in (None, f.kind)]


def test_what_each_task_gains_counts_not_how_far_tasks_lie_apart():
    assert texts_of("warning", result=result(2.0, 1.95, loss_gain_ci95=0.01)) == []


def test_of_a_run_that_went_well_there_is_no_warning():
    assert texts_of("warning") == []
    on_actors = HistoryEntry("", "2 Ray actors", 0, 4, actors={"a": 2})
    assert texts_of("good", openings=[on_actors]) == [
        "Trained to the end: 4 outer steps.",
        "Adaptation improves the test loss by 1.00 ± 0.14, each task against itself.",
        "No actor was replaced, no call retried, no task left out.",
    ]


def test_of_actors_nothing_is_told_where_there_were_none():
    here = HistoryEntry("", "this process", 0, 4)
    assert texts_of("good", openings=[here])[-1] == "No task was left out."


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"config": {"outer": {"steps": 9}}, "result": None}, "Not finished: 4 steps of 9 outer"),
        ({"result": None}, "Not evaluated"),
        ({"result": result(2.0, 1.95)}, "does not change the test loss beyond its interval"),
        ({"result": result(2.0, 1.0, loss_gain_ci95=1.1)}, "does not change the test loss beyond"),
        ({"result": result(2.0, 2.5)}, "makes the test loss worse"),
        ({"result": result(0.2, 0.1, 0.01, "accuracy")}, "makes the test accuracy worse"),
        ({"result": result(0.2, math.nan, 0.01)}, "is not finite"),
        ({"result": result(2.0, 1.0, outer_steps=2)}, "those after 2 steps"),
        ({"num_damaged": 1}, "1 line of metrics.jsonl cannot be read"),
        ({"rows": [{"step": 4, "loss_after": math.inf}]}, "loss_after is not finite in 1 step."),
    ],
)
def test_what_is_wrong_is_a_warning(changes, expected):
    (warning, *others) = texts_of("warning", **changes)
    assert any(expected in text for text in (warning, *others))


def test_an_accuracy_that_rises_is_no_warning():
    assert texts_of("warning", result=result(0.2, 0.9, 0.01, "accuracy")) == []


def test_it_is_said_whether_more_steps_may_help():
    assert "best with 0.5 at step 2; one later validation is no better" in " ".join(
        texts_of("note")
    )
    rows = [{"step": 1, "validation_loss": 3.0}, {"step": 4, "validation_loss": 1.0}]
    improving = " ".join(texts_of("note", rows=rows))
    assert "still improving at its last step: 1 at step 4, 3 at best before" in improving
    accuracies = [{**row, "accuracy": 1.0, "validation_accuracy": 0.4} for row in rows]
    accuracies[1]["validation_accuracy"] = 0.3
    assert "best with 40.0 % at step 1" in " ".join(texts_of("note", rows=accuracies, result=None))


def test_what_was_made_good_is_counted():
    rows = [{"step": 1, "replaced_actors": 2, "retried_calls": 3}, {"step": 4, "retried_calls": 1}]
    assert "Recovered on the way: 2 replaced actors, 4 retried calls." in texts_of(
        "note", rows=rows
    )


def test_how_an_unfinished_run_ended_is_told():
    times = {"started": "2026-01-02T03:04:05+00:00", "seen": "2026-01-02T04:05:06+00:00"}
    opening = HistoryEntry("metatrain train", "this process", 0, 4, **times)
    longer = {"config": {"outer": {"steps": 9}}}
    longer |= {"result": None}
    text = texts_of("warning", openings=[opening], **longer)[0]
    assert "still running, or killed (last active at 2026-01-02 04:05 UTC)" in text
    failed = replace(opening, ended="failed: the disk is full")
    assert "failed: the disk is full" in texts_of("warning", openings=[failed], **longer)[0]
    again = replace(opening, ended="finished")
    notes = texts_of("note", openings=[failed, again])
    assert "The run that began at 2026-01-02 03:04 UTC failed: the disk is full" in notes
    assert "Opened 2 times; see the machines below." in notes


def test_of_a_run_without_scores_the_configuration_says_which_metric_decides():
    rows = [
        {"step": step, "loss_after": 1.0, "r2": 0.0, "validation_r2": r2, "validation_loss": 1.0}
        for step, r2 in ((1, 0.1), (2, 0.4), (3, 0.3))
    ]
    task = {"main_metric": "r2", "metrics": {"r2": "max:own:r2"}}
    config = {"outer": {"steps": 3}, "task": task}
    (text,) = [t for t in texts_of("note", config=config, rows=rows, result=None) if "best" in t]
    assert text.startswith("Validation r2 was best with 0.4 at step 2")
