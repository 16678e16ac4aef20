"""`metatrain train`: trains a run in its folder, or in the first free one."""

import contextlib
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from orchestrator.cli import typed_command
from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.ending import end_stopped, stop
from orchestrator.cli.json_output import Json, print_json, tables_aside
from orchestrator.cli.options import Set, Verbose, Workers, preset_names
from orchestrator.config import schema as configuration
from orchestrator.config.schema import MetaConfig
from orchestrator.run.signals import Interrupted

_MOST_SEEDS = 1000


@command_settings(epilog="Example: metatrain train omniglot-5w1s --workers 2 --out runs/first")
def train(
    preset: Annotated[
        str, typer.Argument(help="A preset or a FILE.toml.", autocompletion=preset_names)
    ] = "sinusoid",
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
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Train from N seeds, one after another, and show the mean and spread over seeds; "
            "2 to 1000.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show the resolved configuration, the data, the sizes and the run's folder; "
            "write nothing.",
        ),
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Train, evaluate on held-out tasks, and plot the result."""
    if seeds is not None and not 2 <= seeds <= _MOST_SEEDS:
        raise ValueError(
            f"--seeds {seeds}: a number of seeds, 2 to {_MOST_SEEDS}, has a spread; one run from a "
            "seed of your choice is --set seed=3"
        )
    count = [f"workers.count={workers}"] if workers is not None else []
    config, notes = configuration.load(preset, [*(overrides or []), *count])
    options = Options(preset, out, resume, allow_changes, verbose, seeds)
    with tables_aside(as_json):
        document = _plan(config, notes, options) if dry_run else _train(config, notes, options)
    if as_json:
        print_json(document)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `metatrain train` beside its settings."""

    source: str
    out: str | None
    resume: bool
    allow_changes: bool
    verbose: bool
    seeds: int | None


def _location(config: MetaConfig, options: Options) -> str:
    """Return the run's folder, or that of several seeds."""
    from orchestrator.run.locations import run_location, seeds_location

    if options.seeds is not None:
        return seeds_location(config.name, options.out, options.resume)
    return run_location(config, options.source, options.out, options.resume)


def _plan(config: MetaConfig, notes: list[str], options: Options) -> dict[str, Any]:
    """Show what the run would do; of several seeds, the first."""
    from orchestrator.doctor.dry_run import dry_run

    location = _location(config, options)
    if options.seeds is not None:
        from orchestrator.records.seed_scores import folder_of
        from orchestrator.storage.storage import Storage

        notes = [*notes, f"--seeds {options.seeds}: this is the run of the first seed"]
        location = Storage(location).place(folder_of(config.seed))
    settings = (options.resume, options.allow_changes, options.verbose)
    return dry_run(config, notes, location, *settings)


def _train(config: MetaConfig, notes: list[str], options: Options) -> dict[str, Any]:
    """Train in the run's folder, or in the first free one."""
    from orchestrator.storage.claim import InUseError

    location = _location(config, options)
    picks_folder = options.out is None and not options.resume
    try:
        while True:
            with contextlib.suppress(*([InUseError] if picks_folder else [])):
                return _run(config, notes, location, options)
            location = _location(config, options)  # another run took the folder
    except Interrupted:
        end_stopped(f"stopped; continue with: {typed_command.resume_command(location)}")


def _run(config: MetaConfig, notes: list[str], location: str, options: Options) -> dict[str, Any]:
    """Train one run, or one from each seed; return a document for JSON."""
    how = (options.resume, options.allow_changes, options.verbose)
    end = (stop(), typed_command.typed())
    if options.seeds is not None:
        from orchestrator.run.seeds import train_seeds

        configs = {
            seed: configuration.load(config, {"seed": seed})[0]
            for seed in range(config.seed, config.seed + options.seeds)
        }
        return {"folder": location, **train_seeds(configs, notes, location, *how, *end)}
    from orchestrator.run.train import train as run

    result = run(config, notes, location, *how, *end)
    return {"run": location, "evaluation": result.model_dump()}
