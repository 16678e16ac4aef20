"""`metatrain evaluate`: scores a run's best checkpoint again, perhaps under another protocol."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.common import (
    NOTES,
    RESULTS,
    check_machine,
    show_note,
    waiting,
    watch_every_s,
)
from orchestrator.cli.json_output import Json, print_json, tables_aside
from orchestrator.cli.local_path import local_path
from orchestrator.cli.options import Set, Verbose, WorkersOfRun
from orchestrator.config import schema as configuration
from orchestrator.config.evaluation_keys import check_overrides
from orchestrator.config.schema import MetaConfig
from orchestrator.config.sources import parse_toml

if TYPE_CHECKING:  # these import Arrow, which help must not wait for
    from orchestrator.records.result import Result
    from orchestrator.storage.storage import Storage
    from workers.tasks.family import TaskFamily


@command_settings(epilog="Example: metatrain evaluate runs/sinusoid --tasks 1000 --out scores.json")
def evaluate(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
    tasks: Annotated[int | None, typer.Option(help="Test tasks.")] = None,
    overrides: Set = None,
    coverage: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Share of true answers that sets and intervals hold."),
    ] = None,
    workers: WorkersOfRun = "0",
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
    as_json: Json = False,
) -> None:
    """Evaluate a run's best checkpoint on held-out tasks."""
    num_tasks = [f"evaluation.tasks={tasks}"] if tasks is not None else []
    settings = [*(overrides or []), *num_tasks]
    with tables_aside(as_json):
        result = evaluate_run(run, settings, workers, out, allow_changes, verbose, named, coverage)
    if as_json:
        print_json({"run": run, "evaluation": result.model_dump()})


def evaluate_run(
    run: str,
    overrides: list[str],
    workers: str,
    out: Path | None,
    allow_changes: bool,
    verbose: bool,
    named: str | None = None,
    coverage: float | None = None,
) -> Result:
    """Print the test scores, write them to `out` if given, and return them.

    Args:
      named: a checkpoint, or its step, instead of the best one.
      coverage: for evaluation.coverage; nothing is chosen again.
    Scores by ways and shots are also drawn, in a PNG file of the same name.

    Raises:
      ValueError: there is no run, `out` exists, an override does not concern the evaluation, or
        the run was trained with another configuration or other data.
    """
    from orchestrator.storage.targets import open_file

    with ExitStack() as opened:
        file = None if out is None else opened.enter_context(open_file(out, "--out"))
        result = _evaluate(run, overrides, workers, allow_changes, verbose, named, coverage)
        if file is not None:
            file.write(result.to_json().encode())
            NOTES.print(f"written: {out}", markup=False)
            if result.by_size:
                _write_picture(result, file.path.with_suffix(".png"))
    return result


def _write_picture(result: Result, path: Path) -> None:
    """Draw scores by ways and shots beside the scores' file, unless something is there."""
    from orchestrator.reporting.page import by_size
    from orchestrator.storage.targets import open_file

    try:
        with open_file(path, "the picture") as file:
            file.write(by_size.picture(result))
            NOTES.print(f"written: {path}", markup=False)
    except ValueError as error:
        NOTES.print(f"no picture of the scores by size: {error}", markup=False)


def _evaluate(
    run: str,
    overrides: list[str],
    workers: str,
    allow_changes: bool,
    verbose: bool,
    named: str | None,
    coverage: float | None,
) -> Result:
    from orchestrator.pool.watched_pool import Watch
    from orchestrator.run.session import Opening, open_pool
    from orchestrator.run.trained_with import (
        check_backbone,
        check_configuration,
        check_data,
        check_loss,
        check_model,
        other_machine,
    )
    from orchestrator.storage import checkpoint
    from orchestrator.storage.storage import Storage

    storage = Storage(run)
    table = _table(storage)
    trained = configuration.validate(table)
    asked = [] if coverage is None else [f"evaluation.coverage={coverage}"]
    config = _changed(table, [*overrides, *asked], workers)
    check_machine(config)
    name = _chosen(storage, named)
    manifest = checkpoint.load(storage, name)[1]
    notes = check_configuration(trained, storage, manifest, allow_changes)

    def check_its_data(family: TaskFamily) -> TaskFamily:
        notes.extend(check_data(family.digest, manifest, allow_changes))
        return family

    watch = Watch()
    opening = Opening(
        prepare=check_its_data, waiting=waiting, notify=NOTES.print, watch=watch, verbose=verbose
    )
    with open_pool(config, opening) as launched, waiting() as say:
        from orchestrator.run.best_checkpoint import evaluate_best

        check_model(config, launched.fingerprint, manifest)
        check_backbone(config, launched.fingerprint, manifest)
        notes.extend(check_loss(launched.fingerprint, manifest, allow_changes))
        for note in notes + other_machine(launched.fingerprint, manifest):
            show_note(note)
        say(f"evaluating on {config.evaluation.tasks} test tasks")
        watch.begin("evaluating", say, watch_every_s())
        result = evaluate_best(config, storage, launched, bool(overrides), name)
    from orchestrator.reporting.terminal import print_result

    if coverage is not None and result.calibration is None:
        show_note(
            f"--coverage {coverage}: predictions of {name} are not calibrated: only those of "
            "classes and numbers are, since this version; train it again, or choose again by --set"
        )
    print_result(RESULTS, result, config.evaluation.inner_steps)
    return result


def _table(storage: Storage) -> configuration.Table:
    if not storage.exists("config.toml"):
        raise ValueError(
            f"{storage.location} holds no run (no config.toml); give the folder of one"
        )
    try:
        return parse_toml(storage.read("config.toml").decode())
    except ValueError as error:
        raise ValueError(f"{storage.place('config.toml')} is not TOML: {error}") from None


def _changed(table: configuration.Table, overrides: list[str], workers: str) -> MetaConfig:
    """Apply the overrides that an evaluation allows, and validate the configuration."""
    statistics = table.get("model", {}).get("statistics")
    check_overrides(overrides)
    for text in overrides:
        key, value = configuration.parse_override(text)
        changed = key == "model.statistics" and value != statistics
        if changed and "running" in (value, statistics):
            raise ValueError(
                f"model.statistics = {value!r}, but the run was trained with {statistics!r}: "
                "running statistics are kept in training or not at all"
            )
        configuration.set_key(table, key, value)
    configuration.set_key(table, *configuration.parse_override(f"workers.count={workers}"))
    return configuration.validate(table)


def _chosen(storage: Storage, named: str | None) -> str:
    """Return the named checkpoint, or the best one. Raises ValueError if there is none."""
    from orchestrator.storage import checkpoint

    if named is None:
        name, _, problems = checkpoint.best(storage)
        for problem in problems:
            show_note(f"skipped: {problem}")
        return name
    names = checkpoint.names(storage)
    name = checkpoint.name_of(int(named)) if named.isdecimal() and len(named) < 16 else named
    if name not in names:
        raise ValueError(
            f"--checkpoint {named}: {storage.location} has none of that name; there are "
            f"{', '.join(names[-8:]) or 'none'}"
        )
    return name
