"""The same run from several seeds, one after another, each in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.config.schema import MetaConfig, to_toml
from orchestrator.reporting.notes import NOTES, RESULTS, drawn_or_note, show_note
from orchestrator.run.opening import check_machine
from orchestrator.run.signals import Stop
from orchestrator.run.train import train
from orchestrator.storage.storage import Storage
from orchestrator.storage.targets import open_folder, writing

if TYPE_CHECKING:  # imports Arrow, which help must not wait for
    from orchestrator.records.result import Result


def train_seeds(
    configs: Mapping[int, MetaConfig],
    notes: list[str],
    location: str,
    resume: bool,
    allow_changes: bool,
    verbose: bool,
    stop: Stop,
    command: str = "",
) -> dict[str, Any]:
    """Train and test each seed; write seeds.json and report.html into the folder of all.

    Args:
      configs: seed -> its configuration, two or more.
      notes: lines about the configuration for the user.
      location: the folder of all seeds; the runs are in seed-N below it.
      resume: keep what earlier attempts have finished there, and continue.
      allow_changes, verbose, stop, command: see `run.train.train`.
    Returns:
      the content of seeds.json.
    Raises:
      Interrupted: a signal stopped a run; what is finished is kept.
      ValueError, MetatrainError: the input was wrong, a run failed.
    """
    from orchestrator.records.seed_scores import folder_of, write_seeds

    check_machine(next(iter(configs.values())))  # may start this command again
    with open_folder(location, show_note) as storage:
        _check(storage, resume)
        results: dict[int, Result | None] = dict.fromkeys(configs)
        with writing(storage.place("seeds.json")):
            write_seeds(storage, results)
        for number, (seed, config) in enumerate(configs.items(), start=1):
            name = folder_of(seed)
            place, starts = storage.place(name), not storage.list(name)
            results[seed] = None if starts else finished(config, Storage(place))
            if results[seed] is not None:
                NOTES.print(f"seed {seed} ({number} of {len(configs)}): finished before")
                continue
            NOTES.print(f"seed {seed} ({number} of {len(configs)})")
            how = (resume and not starts, allow_changes, verbose, stop, command)
            results[seed] = train(config, notes if number == 1 else [], place, *how)
            with writing(storage.place("seeds.json")):
                write_seeds(storage, results)
        return _show(storage, {seed: result for seed, result in results.items() if result})


def finished(config: MetaConfig, storage: Storage) -> Result | None:
    """Return the result of a run that has ended with exactly this configuration; else None."""
    from orchestrator.records.history import read_history
    from orchestrator.records.result import read_result

    if not storage.exists("config.toml") or storage.read("config.toml") != _written(config):
        return None
    try:
        openings = read_history(storage)
        if not openings or openings[-1].ended != "finished":
            return None
        return read_result(storage) if openings[-1].last_step == config.outer.steps else None
    except ValueError:  # a damaged file, which the run writes again
        return None


def _written(config: MetaConfig) -> bytes:
    return to_toml(config).encode()


def _check(storage: Storage, resume: bool) -> None:
    """Refuse a folder that holds anything but runs from seeds, and these unless resumed."""
    from orchestrator.records.seed_scores import SEEDS_FILE

    where = storage.location
    if storage.exists("config.toml"):
        raise ValueError(f"{where} holds a run of one seed; give another --out, or no --seeds")
    if storage.exists(SEEDS_FILE):
        if not resume:
            raise ValueError(
                f"{where} already holds runs from several seeds; give another --out, or --resume "
                "to continue"
            )
        return
    if names := storage.list():
        raise ValueError(
            f"{where} is not empty ({', '.join(names[:3])}) and holds no runs from seeds; give an "
            "--out that is new or empty"
        )
    if resume:
        show_note(f"{where} holds nothing to resume: starting afresh")


def _show(storage: Storage, results: dict[int, Result]) -> dict[str, Any]:
    """Write and show the mean and the spread, then the page that compares the runs."""
    from orchestrator.records.seed_scores import folder_of, write_seeds
    from orchestrator.reporting.seed_table import print_seeds

    with writing(storage.place("seeds.json")):
        document = write_seeds(storage, results)
    print_seeds(RESULTS, results, document)

    def draw() -> str:
        from orchestrator.reporting.page.comparison import comparison_of
        from orchestrator.reporting.page.run_folder import PAGE, read_run

        runs = [read_run(Storage(storage.place(folder_of(seed)))) for seed in results]
        with writing(storage.place(PAGE)):
            storage.write(PAGE, comparison_of(runs))
        return PAGE

    RESULTS.print(f"scores: {storage.place('seeds.json')}")
    if page := drawn_or_note("page", draw):
        RESULTS.print(f"page: {storage.place(page)}")
    return document
