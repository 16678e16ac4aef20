"""A sweep from its folder to its scores: searches, tests the best, leaves a file to train from."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from orchestrator.config.schema import MetaConfig, Table, load, to_toml
from orchestrator.evaluate import headline_metric, metric_names
from orchestrator.reporting.notes import NOTES, RESULTS, drawn_or_note, show_note, waiting
from orchestrator.run.opening import check_machine, open_family
from orchestrator.storage.storage import Storage
from orchestrator.storage.targets import open_folder, writing
from orchestrator.sweep import record, rows
from orchestrator.sweep.resources import bundles, count_of, num_actors
from orchestrator.sweep.settings import SweepSettings, read_sweep
from orchestrator.sweep.space import check_space, configure, points
from orchestrator.sweep.tracking.mlflow_server import check_mlflow
from orchestrator.sweep.trial_checkpoint import beside
from workers.metrics import sign_of
from workers.tasks.family import TaskFamily, notes_of
from workers.wire.errors import MetatrainError

if TYPE_CHECKING:
    from orchestrator.records.result import Result
    from orchestrator.sweep.rows import Row
    from orchestrator.sweep.trial_table import SweepBoard

BEST = "best.toml"


def tune(source: str, overrides: list[str], given: str, resume: bool, verbose: bool) -> None:
    """Run the sweep in the folder `given`, and show it.

    Raises:
      Interrupted: stopped by a signal; what was reported is kept.
      ValueError, MetatrainError: the input was wrong; no trial came to an end.
    """
    sweep, table = read_sweep(source, overrides)
    config, notes = load(table)
    check_space(sweep, table)
    for note in notes:
        NOTES.print(f"note: {note}")
    check_machine(config)
    with open_folder(given, show_note) as storage, ExitStack() as ray_of_ours:
        record.check(storage, sweep, table, resume)
        family = open_family(config)
        metric, mode = _objective(sweep, family)
        check_mlflow(sweep.mlflow)
        for note in notes_of(family):
            show_note(note)
        with waiting() as say:
            say("starting Ray")
            from orchestrator.sweep import ray_tuner

            if ray_tuner.start(config, verbose):
                ray_of_ours.callback(ray_tuner.stop)
        with writing(storage.place(record.NAME)):
            record.write(storage, sweep, table)
        metrics = metric_names(family)
        _search(sweep, table, config, given, storage, (metric, mode), metrics, ray_of_ours)


def _objective(sweep: SweepSettings, family: TaskFamily) -> tuple[str, str]:
    known = metric_names(family)
    metric = sweep.metric or headline_metric(family)[0]
    if metric not in known:
        raise ValueError(
            f"metric = '{metric}' is not measured on these tasks; there are {', '.join(known)}"
        )
    mode = "max" if sign_of(metric) > 0 else "min"
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
    given: str,
    storage: Storage,
    objective: tuple[str, str],
    metrics: Sequence[str],
    ray_of_ours: ExitStack,
) -> None:
    from orchestrator.sweep import ray_tuner
    from orchestrator.sweep.trial_table import SweepBoard

    metric, mode = objective
    num_trials = sweep.samples if sweep.search.searcher == "optuna" else len(points(sweep))
    _show_start(sweep, config, storage, num_trials, metric, mode)
    board = SweepBoard(storage, list(sweep.space), metrics, metric, mode, num_trials, NOTES)
    with board:
        ray_tuner.run(sweep, table, config, given, board)
        board.close()
    ray_of_ours.close()  # what is tested takes all of the machine
    best = rows.ranked(board.rows, mode)
    if not best:
        raise MetatrainError(_why_none(board.rows))
    chosen = configure(table, best[0].point)
    with writing(storage.place(BEST)):
        storage.write(BEST, to_toml(chosen).encode())
    runs = {row.trial: Storage(beside(given, f"/{row.run}")) for row in board.rows if row.run}
    tested = {
        row.trial: _test(sweep, table, row, runs[row.trial], board) for row in best[: sweep.top]
    }
    _show_end(sweep, board, best, tested, storage)

    def draw() -> str:
        with writing(storage.place("report.html")):
            return _write_page(sweep, config, storage, runs, board, tested)

    if page := drawn_or_note("page", draw):
        RESULTS.print(f"page: {storage.place(page)}")


def _show_start(
    sweep: SweepSettings,
    config: MetaConfig,
    storage: Storage,
    num_trials: int,
    metric: str,
    mode: str,
) -> None:
    from orchestrator.sweep import ray_tuner

    each = num_actors(config)
    NOTES.print(
        f"{count_of(range(num_trials), 'trial')} of {config.name}, {config.outer.steps} outer "
        f"steps each, in {storage.location}",
        f"{sweep.search.searcher}, {sweep.search.scheduler}; {mode} of validation {metric}; "
        "a trial runs in "
        + (count_of(range(each), "actor") if each else "one process")
        + f" ({count_of(bundles(config), 'bundle')})",
        sep="\n",
    )
    if sweep.search.scheduler == "pbt" and (room := ray_tuner.room_for(sweep, config)) < num_trials:
        show_note(
            f"pbt compares trials that run together: {num_trials} are asked for, and there is room "
            f"for {room}; the others begin when these have ended (samples, search.parallel)"
        )


def _test(
    sweep: SweepSettings, table: Table, row: Row, storage: Storage, board: SweepBoard
) -> Result:
    chosen = (
        f"best of {len(board.rows)} trials by validation {board.metric} "
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
    board: SweepBoard,
    tested: dict[str, Result],
) -> str:
    from orchestrator.reporting.page.numbers import headline
    from orchestrator.sweep.page.sweep_page import write_sweep_page

    shown = [
        {"trial": trial, "headline": headline(result), "protocol": result.protocol}
        for trial, result in tested.items()
    ]
    objective = (board.metric, board.mode)
    return write_sweep_page(config.name, sweep, storage, runs, board.rows, objective, shown)


def _why_none(found: Sequence[Row]) -> str:
    causes = [row.failed for row in found if row.failed]
    if not found:
        return "no trial was begun"
    if causes:
        return f"all {len(found)} trials failed; the first with: {causes[0]}"
    return f"none of {len(found)} trials has reached a validation (evaluation.every)"


def _show_end(
    sweep: SweepSettings,
    board: SweepBoard,
    best: Sequence[Row],
    tested: dict[str, Any],
    storage: Storage,
) -> None:
    from orchestrator.reporting.terminal import print_result

    for line in board.lines(only_failed=NOTES.is_terminal):
        NOTES.print(line)
    for row in best[: sweep.top]:
        values = ", ".join(f"{key} = {value}" for key, value in row.point.items())
        RESULTS.print(
            f"{board.name(row.trial)}: validation {board.metric} {row.score:.4f} at step "
            f"{row.best_step}: {values}"
        )
        result = tested[row.trial]
        print_result(RESULTS, result, tuple(sorted(set(_reported(result)))))
    trained_s = sum(row.seconds for row in board.rows)
    RESULTS.print(
        f"{count_of(board.rows, 'trial')}, {trained_s:.0f} s of training in all; this command "
        f"searched for {board.seconds:.0f} s"
    )
    RESULTS.print(f"trials: {storage.place(rows.NAME)}")
    RESULTS.print(f"best: {storage.place(BEST)}")


def _reported(result: Any) -> list[int]:
    return [int(result.protocol["inner_steps"])]
