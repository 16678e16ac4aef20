"""A run as one HTML file that opens without a network."""

import base64
from collections.abc import Mapping
from typing import Any

from orchestrator.page import inner_steps, training_curves
from orchestrator.page.findings import findings, readable
from orchestrator.page.html import render, svg
from orchestrator.page.numbers import (
    duration,
    headline,
    headline_metric,
    plain,
    protocol_of,
    with_interval,
)
from orchestrator.page.panel import thousands
from orchestrator.page.run_folder import RunFolder, read_run
from orchestrator.storage import Storage

NAME = "report.html"


def write_page(storage: Storage) -> str:
    """Write report.html from what lies in the run's folder; its name. Raises as `read_run` does."""
    storage.write(NAME, page_of(read_run(storage)))
    return NAME


def page_of(run: RunFolder) -> bytes:
    """The page of a run, finished or not."""
    return render(
        "page.html",
        name=run.name,
        location=run.location,
        headline=headline(run.result) if run.result else "not evaluated yet",
        big=_big(run.result) if run.result else None,
        facts=_facts(run),
        findings=findings(run),
        scores=_scores(run),
        by_inner_step=_by_inner_step(run.result) if run.result else [],
        result=run.result,
        protocol=protocol_of(run.result) if run.result else {},
        curves=_curves(run),
        drawings=run.drawings,
        picture=base64.b64encode(run.picture).decode(),
        openings=[_opening(opening) for opening in run.openings],
        commands=list(dict.fromkeys(o["command"] for o in run.openings if o["command"])),
        configuration=run.configuration,
    )


def _big(result: Mapping[str, Any]) -> dict[str, str]:
    """The number that everybody looks for, and what it is."""
    metric = headline_metric(result["after"])
    steps = result["protocol"]["inner_steps"]
    return {
        "metric": metric,
        "after": with_interval(metric, result["after"]),
        "before": with_interval(metric, result["before"]),
        "steps": f"{steps} inner step{'' if steps == 1 else 's'}",
        "tasks": plain(result["protocol"].get("test_tasks", "")),
    }


def _facts(run: RunFolder) -> dict[str, str]:
    """What stands in one line below the headline."""
    protocol = run.result["protocol"] if run.result else {}
    algorithm = run.config.get("algorithm", {}).get("kind", "")
    seconds = sum(row.get("seconds", 0.0) for row in run.rows)
    facts = {
        "method": protocol.get("method", algorithm),
        "outer steps": thousands(run.step),
        "training": duration(seconds),
    }
    if run.openings:
        facts["in all"] = duration(sum(opening["seconds"] for opening in run.openings))
    return facts


def _scores(run: RunFolder) -> list[dict[str, str]]:
    """Rows of the table of results: inner step, and each metric with its interval."""
    if run.result is None:
        return []
    per_step = run.result["per_step"]
    metrics = inner_steps.metrics_of(per_step)
    return [
        {
            "inner steps": f"{step}" if step else "0 (before)",
            **{metric: with_interval(metric, per_step[step]) for metric in metrics},
        }
        for step in run.inner_steps
    ]


def _by_inner_step(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Captions and figures."""
    per_step, chosen = result["per_step"], result["protocol"]["inner_steps"]
    return [
        (
            f"Test {metric} by inner step, with its 95 % interval",
            svg(
                inner_steps.draw({"test tasks": per_step}, metric, chosen),
                f"Test {metric} by inner step",
            ),
        )
        for metric in inner_steps.metrics_of(per_step)
    ]


def _curves(run: RunFolder) -> list[tuple[str, str]]:
    """Captions and figures of training."""
    if not run.rows:
        return []
    drawn = [
        (f"{metric.capitalize()} while training", training_curves.draw_metric(run.rows, metric))
        for metric in training_curves.metrics_of(run.rows)
    ]
    drawn.append(("Tasks per second", training_curves.draw_speed(run.rows)))
    incidents = training_curves.draw_incidents(run.rows)
    if incidents is not None:
        drawn.append(("Retries and replaced actors", incidents))
    return [(caption, svg(figure, f"{caption} by outer step")) for caption, figure in drawn]


def _opening(opening: Mapping[str, Any]) -> dict[str, str]:
    """A row of the table of machines."""
    driver = opening.get("driver", {})
    gpus = f", {opening['gpus']:g} GPU" if opening.get("gpus") else ""
    models = ", ".join(opening.get("gpu_names", []))
    each = f"{opening.get('cpus', 1):g} CPU{gpus} each{f' ({models})' if models else ''}"
    actors = opening.get("actors", {})
    where = ", ".join(f"{number} on {host}" for host, number in actors.items())
    machine = f"{driver.get('host', '')}: {driver.get('cpus', '?')} CPUs, {driver.get('processor')}"
    return {
        "opened": readable(opening["started"]),
        "took": duration(opening["seconds"]),
        "steps": f"{opening['first_step']} to {opening['last_step']}",
        "ended": opening.get("ended") or "still running, or killed",
        "ran in": opening["pool"],
        "actors": f"{where}; {each}" if where else "none",
        "driver": machine if driver else "",
        "metatrain": opening.get("metatrain", ""),
    }
