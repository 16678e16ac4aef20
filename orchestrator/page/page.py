"""A run as one HTML file that opens without a network: result, protocol, curves, picture."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from orchestrator.config import MetaConfig
from orchestrator.metrics_log import read_metrics
from orchestrator.page.training_curves import draw
from orchestrator.storage import Storage

NAME = "report.html"
_HERE = Path(__file__).parent


def write_page(config: MetaConfig, storage: Storage) -> str:
    """Write report.html from what lies in the run's folder; its name.

    Needs metrics.jsonl and evaluation.json; picture.png is shown where there is one.
    """
    result = json.loads(storage.read("evaluation.json"))
    picture = storage.read("picture.png") if storage.exists("picture.png") else b""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("page.html").render(
        name=config.name,
        scores=_scores(result["per_step"], {0, *config.evaluation.inner_steps}),
        headline=_headline(result),
        protocol=result["protocol"],
        checkpoint=result["checkpoint"],
        theta_sha256=result["theta_sha256"],
        curves=_svg(draw(read_metrics(storage))),
        picture=base64.b64encode(picture).decode(),
        configuration=storage.read("config.toml").decode(),
    )
    storage.write(NAME, page.encode())
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


def _headline(result: dict[str, Any]) -> str:
    name = "accuracy" if "accuracy" in result["after"] else "loss"
    before, after = (_with_interval(name, result[when]) for when in ("before", "after"))
    return f"{name} {before} → {after}"


def _with_interval(name: str, row: dict[str, float]) -> str:
    if name == "accuracy":
        return f"{100 * row[name]:.2f} ± {100 * row[f'{name}_ci95']:.2f} %"
    return f"{row[name]:.4f} ± {row[f'{name}_ci95']:.4f}"


def _svg(figure: Figure) -> str:
    """The figure as an <svg> element."""
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    text = content.getvalue()
    return text[text.index("<svg") :]
