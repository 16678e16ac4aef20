"""The figure of test scores by ways and shots, and their table on the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from orchestrator.records.result import Result
from orchestrator.reporting.drawing import drawing, png
from orchestrator.reporting.page.panel import drawable, legend, panel, scale
from orchestrator.reporting.size_table import table_of
from orchestrator.storage.storage import Storage
from workers.metrics import called

#: The figure's file in a run's folder.
FILE = "by_size.png"


def rows(result: Result) -> list[dict[str, str]]:
    """Make the rows of the page's table; [] if there are none."""
    table = table_of(result)
    if table is None:
        return []
    return [
        {
            **({"ways": ways} if ways else {}),
            **{f"shots {shots}": cell for shots, cell in zip(table.shots, cells, strict=True)},
        }
        for ways, cells in zip(table.ways, table.cells, strict=True)
    ]


def title(result: Result) -> str:
    """Return the table's title, "" without one."""
    table = table_of(result)
    return table.title if table else ""


def draw(result: Result) -> Figure:
    """Draw the deciding metric: a curve over shots for each number of ways, or over ways."""
    scores: Sequence[Mapping[str, Any]] = result.by_size or []
    shots = list(dict.fromkeys(row["shots"] for row in scores))
    over_shots = len(shots) > 1 or "ways" not in scores[0]
    along, other = ("shots", "ways") if over_shots else ("ways", "shots")
    curves: dict[Any, list[Mapping[str, Any]]] = {}
    for row in scores:
        curves.setdefault(row.get(other), []).append(row)
    figure, axes = panel(along, called(result.metric))
    places = sorted({row[along] for row in scores if isinstance(row[along], int)})
    for number, (name, own) in enumerate(curves.items()):
        numbers = [row for row in own if isinstance(row[along], int)]
        means = drawable([row[result.metric] for row in numbers])
        errors = drawable([row[f"{result.metric}_ci95"] for row in numbers])
        axes.errorbar(
            [row[along] for row in numbers],
            means,
            errors,
            fmt="o-",
            ms=4,
            capsize=3,
            color=f"C{number % 10}",
            label=f"{name} {other}",
        )
    if len(places) > 1 and places[-1] > 4 * places[0]:
        axes.set_xscale("log")
    axes.set_xticks(places)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    scale(axes, result.metric, [row[result.metric] for row in scores])
    if len(curves) > 1:
        legend(figure)
    return figure


@drawing()
def picture(result: Result) -> bytes:
    """Draw the figure as PNG."""
    return png(draw(result))


def write(result: Result, storage: Storage) -> dict[str, bytes]:
    """Write the figure into a run's folder, and return it by its name; {} if there is none."""
    if not result.by_size:
        return {}
    content = picture(result)
    storage.write(FILE, content)
    return {"by_size": content}
