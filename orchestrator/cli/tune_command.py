"""`metatrain tune`: runs a sweep in its folder, until it ends or is stopped."""

from typing import Annotated

import typer

from orchestrator.cli import typed_command
from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.ending import end_stopped
from orchestrator.cli.json_output import Json, print_json, tables_aside
from orchestrator.cli.options import Set, Verbose, sweep_names
from orchestrator.run.signals import Interrupted


@command_settings(epilog="Example: metatrain tune sinusoid --set outer.steps=500")
def tune(
    sweep: Annotated[
        str, typer.Argument(help="A shipped sweep, or a FILE.toml.", autocompletion=sweep_names)
    ] = "sinusoid",
    overrides: Set = None,
    out: Annotated[
        str | None, typer.Option(help="Folder or URI of the sweep. Default: runs/NAME.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the sweep in --out.")] = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Search hyperparameters on validation tasks; evaluate the best on test tasks."""
    from orchestrator.run.locations import sweep_location
    from orchestrator.storage.storage import Storage
    from orchestrator.sweep import record
    from orchestrator.sweep.settings import title_of
    from orchestrator.sweep.tune import tune as run

    location = sweep_location(title_of(sweep), out, resume)
    try:
        with tables_aside(as_json):
            document = run(sweep, overrides or [], location, resume, verbose)
    except Interrupted:
        if Storage(location).exists(record.SWEEP_FILE):
            end_stopped(f"stopped; continue with: {typed_command.resume_command(location)}")
        end_stopped("stopped before the sweep started")
    if as_json:
        print_json(document)
