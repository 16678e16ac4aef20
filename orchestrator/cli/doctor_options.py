"""The command that looks for what is wrong, and forecasts a run."""

from typing import Annotated

import typer

from orchestrator.cli.options import Set

app = typer.Typer()


@app.command()
def doctor(
    preset: Annotated[
        str | None,
        typer.Argument(metavar="PRESET|FILE.toml", help="What to build, time and forecast."),
    ] = None,
    overrides: Set = None,
    workers: Annotated[
        str | None,
        typer.Option(metavar="N", help="Actors to measure on; 0: without Ray. Default: 2."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check the installation; forecast a run's speed and memory, and check its model."""
    from orchestrator.cli import doctor_command

    raise SystemExit(doctor_command.execute(preset, overrides or [], workers, as_json))
