"""The page of a run: one HTML file that needs no network."""

import base64

from orchestrator.records.history import HistoryEntry
from orchestrator.records.result import Result
from orchestrator.reporting import coverage_lines, domain_table
from orchestrator.reporting.drawing import drawing
from orchestrator.reporting.page import by_size, coverage, inner_steps, task_spread, training_curves
from orchestrator.reporting.page.findings import findings, readable
from orchestrator.reporting.page.html import render
from orchestrator.reporting.page.numbers import duration, headline, with_interval
from orchestrator.reporting.page.panel import thousands
from orchestrator.reporting.page.run_folder import PAGE, RunFolder, read_run
from orchestrator.reporting.protocol_lines import plain, protocol_of
from orchestrator.reporting.svg_element import svg
from orchestrator.storage.storage import Storage
from orchestrator.storage.targets import open_page
from workers.metrics import called

# Seconds to wait for another process that writes the page: this one reads and writes after it.
_WAIT_S = 30.0


def write_page(storage: Storage) -> str:
    """Write report.html from the files of the run's folder, and return its name.

    Raises:
      ValueError: as of `read_run`.
    """
    with open_page(storage, PAGE, _WAIT_S):
        storage.write(PAGE, page_of(read_run(storage)))
    return PAGE


@drawing()
def page_of(run: RunFolder) -> bytes:
    """Build the page of a run, finished or not."""
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
        by_domain=domain_table.rows(run.result) if run.result else [],
        by_domain_title=domain_table.title(run.result) if run.result else "",
        by_size=by_size.rows(run.result) if run.result else [],
        by_size_title=by_size.title(run.result) if run.result else "",
        by_size_figures=_by_size(run.result) if run.result else [],
        sure=coverage_lines.lines(run.result) if run.result else [],
        sure_figures=_sure(run.result) if run.result else [],
        worst=_worst(run),
        spread=_spread(run),
        result=run.result,
        protocol=protocol_of(run.result.protocol) if run.result else {},
        curves=_curves(run),
        drawings=run.drawings,
        texts=run.texts,
        picture=base64.b64encode(run.picture).decode(),
        animation=base64.b64encode(run.animation).decode(),
        no_animation=run.no_animation,
        openings=[_opening(opening) for opening in run.openings],
        commands=run.commands,
        configuration=run.configuration,
    )


def _big(result: Result) -> dict[str, str]:
    """Return the main score, and the parts of its description."""
    return {
        "metric": result.called,
        "after": with_interval(result.metric, result.after),
        "before": with_interval(result.metric, result.before),
        "steps": result.unit.when(result.inner_steps),
        "first": result.unit.when(0) if result.unit.first else "before",
        "tasks": plain(result.protocol.get("test_tasks", "")),
    }


def _facts(run: RunFolder) -> dict[str, str]:
    """Return the facts in the line below the headline."""
    algorithm = run.config.get("algorithm", {}).get("kind", "")
    facts = {
        "method": run.result.protocol.get("method", algorithm) if run.result else algorithm,
        "outer steps": thousands(run.step),
        "training": duration(run.seconds),
    }
    if run.openings:
        facts["in all"] = duration(sum(opening.seconds for opening in run.openings))
    return facts


def _scores(run: RunFolder) -> list[dict[str, str]]:
    """Make the rows of the results' table: inner step, and each metric with its interval."""
    if run.result is None:
        return []
    per_step, metrics = run.result.per_step, run.result.metrics
    heading = run.result.unit.heading
    rows = [
        {
            heading: _named(step, run.result),
            **{called(metric): with_interval(metric, per_step[step]) for metric in metrics},
        }
        for step in run.inner_steps
    ]
    if (alone := run.result.queries_alone) is not None:
        row = {heading: f"{run.result.inner_steps}, each query with the support set alone"}
        for metric in metrics:
            row[called(metric)] = with_interval(metric, alone)
        rows.append(row)
    if (best := run.result.protocol.get("oracle_return")) is not None:
        rows.append({heading: "oracle", "return": plain(best)})
    return rows


def _named(step: int, result: Result) -> str:
    return f"{result.unit.label(step)}{' (diverges)' if step in result.diverged else ''}"


def _by_inner_step(result: Result) -> list[tuple[str, str]]:
    """Draw the scores by inner step, with captions."""
    drawn = []
    for metric in result.metrics:
        figure = inner_steps.draw(
            {"test tasks": result.per_step}, metric, result.inner_steps, result.unit
        )
        caption = f"Test {called(metric)} by {result.unit.name}, with its 95 % interval"
        drawn.append((caption, svg(figure, caption)))
    return drawn


def _by_size(result: Result) -> list[tuple[str, str]]:
    """Draw the scores by ways and shots, with their caption."""
    if not result.by_size:
        return []
    caption = f"{by_size.title(result)}, with 95 % intervals"
    return [(caption, svg(by_size.draw(result), caption))]


def _sure(result: Result) -> list[tuple[str, str]]:
    """Draw the coverage and the reliability of probabilities, with captions."""
    return [(caption, svg(figure, caption)) for caption, figure in coverage.figures(result)]


def _worst(run: RunFolder) -> list[dict[str, str]]:
    """Make the rows of the table of the worst test tasks."""
    if run.result is None or run.task_scores is None or not any(run.task_scores.names):
        return []
    return task_spread.worst(run.task_scores, run.result.metric, run.result.sign)


def _spread(run: RunFolder) -> list[tuple[str, str]]:
    """Draw the spread of scores over tasks, with its caption."""
    if run.result is None or run.task_scores is None:
        return []
    figure = task_spread.draw(run.task_scores, run.result.metric)
    caption = f"Test tasks by {run.result.called} after adaptation"
    return [] if figure is None else [(caption, svg(figure, caption))]


def _curves(run: RunFolder) -> list[tuple[str, str]]:
    """Draw the training curves, with captions."""
    if not run.rows:
        return []
    drawn = [
        (
            f"{called(metric).capitalize()} while training",
            training_curves.draw_metric(run.rows, metric),
        )
        for metric in training_curves.metrics_of(run.rows)
    ]
    drawn.append(("Tasks per second", training_curves.draw_speed(run.rows)))
    incidents = training_curves.draw_incidents(run.rows)
    if incidents is not None:
        drawn.append(("Retries and replaced actors", incidents))
    return [(caption, svg(figure, f"{caption} by outer step")) for caption, figure in drawn]


def _opening(opening: HistoryEntry) -> dict[str, str]:
    """Make a row of the table of machines."""
    where = ", ".join(f"{number} on {host}" for host, number in opening.actors.items())
    resources = f"{opening.cpus:g} CPU" + (f", {opening.gpus:g} GPU" if opening.gpus else "")
    models = f" ({', '.join(opening.gpu_names)})" if opening.gpu_names else ""
    driver = opening.driver
    machine = f"{driver.get('host')}: {driver.get('cpus')} CPUs, {driver.get('processor')}"
    return {
        "opened": readable(opening.started),
        "took": duration(opening.seconds),
        "steps": f"{opening.first_step} to {opening.last_step}",
        "ended": opening.ended or "still running, or killed",
        "ran in": opening.pool,
        "actors": f"{where}; {resources} each{models}" if where else "none",
        "driver": machine if driver else "",
        "metatrain": opening.metatrain,
    }
