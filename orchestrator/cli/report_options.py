"""The command that makes pages: report."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.local_path import local_path

app = typer.Typer()


@app.command()
def report(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Folders or URIs of runs."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            parser=local_path,
            metavar="FILE",
            help="Where the page goes. Default: report.html in the run's folder; of several runs, "
            "comparison.html here.",
        ),
    ] = None,
) -> None:
    """Make a run's page anew, or put several runs side by side."""
    from orchestrator.cli import report_command

    report_command.execute(runs, out)
