"""The table of test scores by data set."""

from rich.table import Table

from orchestrator.records.divergence import mean_and_interval
from orchestrator.records.result import Result
from workers.metrics import is_share


def title(result: Result) -> str:
    """Return the table's title."""
    unit = " in %" if is_share(result.metric) else ""
    return f"Test {result.called}{unit} by data set"


def rows(result: Result) -> list[dict[str, str]]:
    """Make the rows, of the metric that decides; [] if there are no scores by data set."""
    metric = result.metric
    return [
        {
            "data set": str(row["domain"]),
            "tasks": str(row["tasks"]),
            "before": _cell(metric, row[f"{metric}_before"]),
            "after": _cell(metric, row[metric], row.get(f"{metric}_ci95")),
        }
        for row in result.by_domain or []
    ]


def printed(result: Result) -> Table | None:
    """Make the terminal's table; None if there is none."""
    made = rows(result)
    if not made:
        return None
    table = Table(title=title(result))
    for name in made[0]:
        table.add_column(name, justify="left" if name == "data set" else "right")
    for row in made:
        table.add_row(*row.values())
    return table


def _cell(metric: str, mean: float, interval: float | None = None) -> str:
    """Format a mean, and its interval where there is one."""
    scale, digits = (100, 2) if is_share(metric) else (1, 4)
    text = mean_and_interval(mean * scale, (interval or 0.0) * scale, digits)
    return text if interval is not None else text.partition(" ± ")[0]
