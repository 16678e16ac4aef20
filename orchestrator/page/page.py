"""A run as one HTML file that opens without a network: result, protocol, curves, picture."""

import base64
import json
from typing import Any

from orchestrator.config import MetaConfig
from orchestrator.metrics_log import read_metrics
from orchestrator.page.html import render, svg
from orchestrator.page.training_curves import draw
from orchestrator.storage import Storage

NAME = "report.html"


def write_page(config: MetaConfig, storage: Storage) -> str:
    """Write report.html from what lies in the run's folder; its name.

    Needs metrics.jsonl and evaluation.json; picture.png is shown where there is one.
    """
    result = json.loads(storage.read("evaluation.json"))
    picture = storage.read("picture.png") if storage.exists("picture.png") else b""
    page = render(
        "page.html",
        name=config.name,
        scores=_scores(result["per_step"], {0, *config.evaluation.inner_steps}),
        headline=headline(result),
        protocol=result["protocol"],
        checkpoint=result["checkpoint"],
        theta_sha256=result["theta_sha256"],
        curves=svg(draw(read_metrics(storage))),
        picture=base64.b64encode(picture).decode(),
        configuration=storage.read("config.toml").decode(),
    )
    storage.write(NAME, page)
    return NAME


def _scores(per_step: list[dict[str, float]], shown: set[int]) -> list[dict[str, str]]:
    """Rows of the table of results: inner step, and each metric with its interval."""
    return [
        {
            "inner steps": f"{step}" if step else "0 (before)",
            **{name: _with_interval(name, row) for name in row if f"{name}_ci95" in row},
        }
        for step, row in enumerate(per_step)
        if step in shown
    ]


def headline(result: dict[str, Any]) -> str:
    """The test score before and after adaptation, of what evaluation.json holds."""
    name = "accuracy" if "accuracy" in result["after"] else "loss"
    before, after = (_with_interval(name, result[when]) for when in ("before", "after"))
    return f"{name} {before} → {after}"


def _with_interval(name: str, row: dict[str, float]) -> str:
    if name == "accuracy":
        return f"{100 * row[name]:.2f} ± {100 * row[f'{name}_ci95']:.2f} %"
    return f"{row[name]:.4f} ± {row[f'{name}_ci95']:.4f}"
