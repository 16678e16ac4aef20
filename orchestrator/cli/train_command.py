"""`metatrain train`: trains a run in its folder, or in the first free one."""

import contextlib
from typing import Annotated

import typer

from orchestrator.cli import typed_command
from orchestrator.cli.ending import end_stopped, stop
from orchestrator.cli.options import Set, Verbose, Workers
from orchestrator.config import schema as configuration
from orchestrator.run.signals import Interrupted


def train(
    preset: Annotated[str, typer.Argument(help="A preset or a FILE.toml.")] = "sinusoid",
    overrides: Set = None,
    out: Annotated[
        str | None, typer.Option(help="Folder or URI of the run. Default: runs/NAME.")
    ] = None,
    workers: Workers = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the last checkpoint in --out.")
    ] = False,
    allow_changes: Annotated[
        bool,
        typer.Option(
            "--allow-changes", help="Resume even if the changed configuration alters the results."
        ),
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Train, evaluate on held-out tasks, and plot the result."""
    from orchestrator.run.locations import run_location
    from orchestrator.run.train import train as run
    from orchestrator.storage.claim import InUseError

    count = [f"workers.count={workers}"] if workers is not None else []
    config, notes = configuration.load(preset, [*(overrides or []), *count])
    location = run_location(config, preset, out, resume)
    settings = (resume, allow_changes, verbose, stop(), typed_command.typed())
    picks_folder = out is None and not resume
    try:
        while True:
            with contextlib.suppress(*([InUseError] if picks_folder else [])):
                run(config, notes, location, *settings)
                break
            location = run_location(config, preset, out, resume)  # another run took the folder
    except Interrupted:
        end_stopped(f"stopped; continue with: {typed_command.resume_command(location)}")
