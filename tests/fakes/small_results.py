"""Finished runs and their results, as a page reads them."""

from orchestrator.records.result import Result
from orchestrator.reporting.page.run_folder import RunFolder


def run_with(**changes):
    """A finished run in which nothing happened; two validations, the first one the better."""
    rows = [
        {"step": step, "loss_before": 2.0, "loss_after": 1.0, "skipped_tasks": 0}
        for step in range(1, 5)
    ]
    rows[1]["validation_loss"], rows[3]["validation_loss"] = 0.5, 0.6
    fields = {
        "location": "runs/a",
        "name": "a",
        "config": {"outer": {"steps": 4}},
        "configuration": "",
        "rows": rows,
        "num_damaged": 0,
        "result": result(before=2.0, after=1.0),
        "openings": [],
        "drawings": [],
        "picture": b"",
    }
    return RunFolder(**{**fields, **changes})


def result(before, after, interval=0.1, metric="loss", outer_steps=4, **paired):
    scores = [{metric: value, f"{metric}_ci95": interval, **paired} for value in (before, after)]
    return Result(
        protocol={"inner_steps": 1, "outer_steps": outer_steps},
        per_step=scores,
        checkpoint="",
        theta_sha256="",
        metric=metric,
        sign=1 if metric == "accuracy" else -1,
    )
