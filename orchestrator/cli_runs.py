"""The commands that run: train, evaluate, tune."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from orchestrator import config as configuration
from orchestrator import typed_command
from orchestrator.claim import InUseError
from orchestrator.commands.ending import end_stopped, stop
from orchestrator.commands.options import Set, Verbose, Workers
from orchestrator.local_path import local_path
from orchestrator.locations import run_location
from orchestrator.signals import Interrupted


def train(
    preset: Annotated[str, typer.Argument(help="A preset or a FILE.toml.")] = "sinusoid",
    overrides: Set = None,
    out: Annotated[
        str | None, typer.Option(help="Folder or URI of the run. Default: runs/NAME.")
    ] = None,
    workers: Workers = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")
    ] = False,
    allow_changes: Annotated[
        bool,
        typer.Option(
            "--allow-changes", help="Resume though the configuration changes the numbers."
        ),
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Train, evaluate on held-out tasks, and draw the result."""
    from orchestrator.commands import train_command

    config, notes = _load(preset, overrides, workers)
    location = run_location(config, preset, out, resume)
    options = (resume, allow_changes, verbose, stop(), typed_command.typed())
    found_free = out is None and not resume
    try:
        while True:
            with contextlib.suppress(*([InUseError] if found_free else [])):
                train_command.execute(config, notes, location, *options)
                break
            location = run_location(config, preset, out, resume)  # somebody else has begun there
    except Interrupted:
        end_stopped(lambda: f"stopped; go on with: {typed_command.resume_command(location)}")


def evaluate(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
    tasks: Annotated[int | None, typer.Option(help="Test tasks.")] = None,
    overrides: Set = None,
    workers: Annotated[
        str, typer.Option(metavar="N", help="Ray actors, 0: in this process, or auto.")
    ] = "0",
    out: Annotated[
        Path | None, typer.Option(parser=local_path, help="Write the scores to this JSON file.")
    ] = None,
    allow_changes: Annotated[
        bool,
        typer.Option(
            "--allow-changes", help="Evaluate with another configuration or data than trained."
        ),
    ] = False,
    named: Annotated[
        str | None,
        typer.Option("--checkpoint", metavar="NAME", help="Instead of the best; or its step."),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Evaluate a run's best checkpoint on held-out tasks."""
    from orchestrator.commands import evaluate_command

    given = [*(overrides or []), *([f"evaluation.tasks={tasks}"] if tasks is not None else [])]
    evaluate_command.execute(run, given, workers, out, allow_changes, verbose, named)


def tune(
    sweep: Annotated[str, typer.Argument(help="A shipped sweep, or a FILE.toml.")] = "sinusoid",
    overrides: Set = None,
    out: Annotated[
        str | None, typer.Option(help="Folder or URI of the sweep. Default: runs/NAME.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the sweep in --out.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Search hyperparameters by validation tasks; evaluate the best on the test tasks."""
    from orchestrator.commands import tune_command

    location = tune_command.location(sweep, out, resume)
    try:
        tune_command.execute(sweep, overrides or [], location, resume, verbose)
    except Interrupted:
        end_stopped(
            lambda: (
                f"stopped; go on with: {typed_command.resume_command(location)}"
                if tune_command.is_begun(location)
                else "stopped before anything began"
            )
        )


def _load(
    preset: str, overrides: list[str] | None, workers: str | None
) -> tuple[configuration.MetaConfig, list[str]]:
    given = [*(overrides or []), *([f"workers.count={workers}"] if workers is not None else [])]
    return configuration.load(preset, given)
