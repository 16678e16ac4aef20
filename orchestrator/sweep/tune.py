"""A sweep from its folder to its scores: search, test of the best trials, and best.toml."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.config.schema import MetaConfig, Table, load, to_toml
from orchestrator.evaluate import headline_metric, metric_names
from orchestrator.reporting.description import plain_values
from orchestrator.reporting.notes import NOTES, RESULTS, drawn_or_note, show_note, waiting
from orchestrator.run.opening import check_machine, open_family
from orchestrator.storage.storage import Storage
from orchestrator.storage.targets import open_folder, writing
from orchestrator.sweep import record, rows
from orchestrator.sweep.resources import bundles, count_of, num_actors
from orchestrator.sweep.settings import SweepSettings, read_sweep
from orchestrator.sweep.space import check_space, configure, points
from orchestrator.sweep.trial_checkpoint import beside
from orchestrator.tracking.mlflow_server import check_mlflow
from workers.losses.registry import loss_of
from workers.tasks.family import TaskFamily, notes_of
from workers.wire.errors import MetatrainError

if TYPE_CHECKING:
    from orchestrator.records.result import Result
    from orchestrator.sweep.rows import Row
    from orchestrator.sweep.trial_table import TrialTable

BEST_FILE = "best.toml"


def tune(
    source: str, overrides: list[str], location: str, resume: bool, verbose: bool
) -> dict[str, Any]:
    """Run the sweep in the folder `location`, and show it.

    Args:
      source: the name of a shipped sweep, or a file that ends in .toml.
      overrides: `key=value` texts that replace the sweep's own.
      location: the sweep's folder.
      resume: continue the sweep in the folder.
      verbose: print the messages of Ray.
    Returns:
      a document for JSON: the trials, and the evaluations of the best ones.
    Raises:
      Interrupted: a signal stopped the sweep; reported trials are kept.
      ValueError, MetatrainError: the input was wrong; no trial was validated.
    """
    sweep, table = read_sweep(source, overrides)
    config, notes = load(table)
    check_space(sweep, table)
    check_machine(config)
    for note in notes:
        NOTES.print(f"note: {note}")
    with open_folder(location, show_note) as storage, ExitStack() as own_ray:
        record.check(storage, sweep, table, resume)
        family = open_family(config)
        metric, mode = _objective(sweep, family)
        if sweep.mlflow is None and config.tracking.mlflow is not None:
            sweep = sweep.model_copy(update={"mlflow": config.tracking.mlflow})
        check_mlflow(sweep.mlflow)
        if config.tracking.wandb is not None:
            show_note(
                f"tracking.wandb = {config.tracking.wandb!r} is for single runs: a sweep logs to "
                "MLflow alone"
            )
        for note in notes_of(family):
            show_note(note)
        with waiting() as say:
            say("starting Ray")
            from orchestrator.sweep import ray_tuner

            if ray_tuner.start(config, verbose):
                own_ray.callback(ray_tuner.stop)
        with writing(storage.place(record.SWEEP_FILE)):
            record.write(storage, sweep, table)
        metrics = metric_names(family)
        return _search(sweep, table, config, location, storage, (metric, mode), metrics, own_ray)


def _objective(sweep: SweepSettings, family: TaskFamily) -> tuple[str, str]:
    measured = metric_names(family)
    metric = sweep.metric or headline_metric(family)[0]
    if metric not in measured:
        raise ValueError(
            f"metric = '{metric}' is not measured on these tasks; there are {', '.join(measured)}"
        )
    sign = next(each.sign for each in loss_of(family).metrics if each.name == metric)
    if not sign and sweep.mode is None:
        raise ValueError(
            f"metric = '{metric}': say whether more of it is better, by mode = 'max' or 'min', or "
            f"by 'max:' or 'min:' in task.metrics.{metric}"
        )
    mode = {1: "max", -1: "min"}.get(sign) or str(sweep.mode)
    if sweep.mode not in (None, mode):
        raise ValueError(
            f"mode = '{sweep.mode}' would look for the worst {metric}, of which "
            f"{'more' if mode == 'max' else 'less'} is better; use '{mode}', or unset it"
        )
    return metric, mode


def _search(
    sweep: SweepSettings,
    table: Table,
    config: MetaConfig,
    location: str,
    storage: Storage,
    objective: tuple[str, str],
    metrics: Sequence[str],
    own_ray: ExitStack,
) -> dict[str, Any]:
    from orchestrator.sweep import ray_tuner
    from orchestrator.sweep.trial_table import TrialTable

    metric, mode = objective
    num_trials = sweep.samples if sweep.search.searcher == "optuna" else len(points(sweep))
    _show_start(sweep, config, storage, num_trials, metric, mode)
    trial_table = TrialTable(storage, list(sweep.space), metrics, metric, mode, num_trials, NOTES)
    with trial_table:
        ray_tuner.run(sweep, table, config, location, trial_table)
        trial_table.close()
    own_ray.close()  # the evaluation uses the whole machine
    trials = trial_table.rows
    best = rows.ranked(trials, mode)
    if not best:
        raise MetatrainError(_why_none(trials))
    chosen = configure(table, best[0].point)
    with writing(storage.place(BEST_FILE)):
        storage.write(BEST_FILE, to_toml(chosen).encode())
    runs = {row.trial: Storage(beside(location, f"/{row.run}")) for row in trials if row.run}
    tested = {
        row.trial: _test(sweep, table, row, runs[row.trial], trial_table)
        for row in best[: sweep.top]
    }
    _show_end(sweep, trial_table, best, tested, storage)

    def draw() -> str:
        with writing(storage.place("report.html")):
            return _write_page(sweep, config, storage, runs, trial_table, tested)

    if page := drawn_or_note("page", draw):
        RESULTS.print(f"page: {storage.place(page)}")
    return {
        "sweep": location,
        "metric": metric,
        "mode": mode,
        "best": best[0].trial,
        "trials": [plain_values(asdict(row)) for row in trials],
        "evaluations": {trial: result.model_dump() for trial, result in tested.items()},
    }


def _show_start(
    sweep: SweepSettings,
    config: MetaConfig,
    storage: Storage,
    num_trials: int,
    metric: str,
    mode: str,
) -> None:
    from orchestrator.sweep import ray_tuner

    actors = num_actors(config)
    NOTES.print(
        f"{count_of(range(num_trials), 'trial')} of {config.name}, {config.outer.steps} outer "
        f"steps each, in {storage.location}",
        f"{sweep.search.searcher}, {sweep.search.scheduler}; {mode} of validation {metric}; "
        "a trial runs in "
        + (count_of(range(actors), "actor") if actors else "one process")
        + f" ({count_of(bundles(config), 'bundle')})",
        sep="\n",
    )
    if sweep.search.scheduler == "pbt" and (room := ray_tuner.room_for(sweep, config)) < num_trials:
        show_note(
            f"pbt compares trials that run together: {num_trials} are configured, and there is "
            f"room for {room}; the others start when these have ended (samples, search.parallel)"
        )


def _test(
    sweep: SweepSettings, table: Table, row: Row, storage: Storage, trial_table: TrialTable
) -> Result:
    chosen = (
        f"best of {len(trial_table.rows)} trials by validation {trial_table.metric} "
        f"({sweep.search.searcher}, {sweep.search.scheduler})"
    )
    with waiting() as say:
        from orchestrator.sweep.final_evaluation import evaluate_trial

        return evaluate_trial(configure(table, row.point), storage, chosen, say, show_note)


def _write_page(
    sweep: SweepSettings,
    config: MetaConfig,
    storage: Storage,
    runs: dict[str, Storage],
    trial_table: TrialTable,
    tested: dict[str, Result],
) -> str:
    from orchestrator.reporting.page.numbers import headline
    from orchestrator.sweep.page.sweep_page import write_sweep_page

    shown = [
        {"trial": trial, "headline": headline(result), "protocol": result.protocol}
        for trial, result in tested.items()
    ]
    objective = (trial_table.metric, trial_table.mode)
    return write_sweep_page(config.name, sweep, storage, runs, trial_table.rows, objective, shown)


def _why_none(trials: Sequence[Row]) -> str:
    causes = [row.failed for row in trials if row.failed]
    if not trials:
        return "no trial was started"
    if causes:
        return f"all {len(trials)} trials failed; the first with: {causes[0]}"
    return f"none of {len(trials)} trials has reached a validation (evaluation.every)"


def _show_end(
    sweep: SweepSettings,
    trial_table: TrialTable,
    best: Sequence[Row],
    tested: dict[str, Any],
    storage: Storage,
) -> None:
    from orchestrator.reporting.terminal import print_result

    for line in trial_table.lines(only_failed=NOTES.is_terminal):
        NOTES.print(line)
    for row in best[: sweep.top]:
        values = ", ".join(f"{key} = {value}" for key, value in row.point.items())
        RESULTS.print(
            f"{trial_table.name(row.trial)}: validation {trial_table.metric} {row.score:.4f} at "
            f"step {row.best_step}: {values}"
        )
        result = tested[row.trial]
        print_result(RESULTS, result, tuple(sorted(set(_reported(result)))))
    trained_s = sum(row.seconds for row in trial_table.rows)
    RESULTS.print(
        f"{count_of(trial_table.rows, 'trial')}, {trained_s:.0f} s of training in all; this "
        f"command searched for {trial_table.seconds:.0f} s"
    )
    RESULTS.print(f"trials: {storage.place(rows.TRIALS_FILE)}")
    RESULTS.print(f"best: {storage.place(BEST_FILE)}")


def _reported(result: Any) -> list[int]:
    return [result.inner_steps]
