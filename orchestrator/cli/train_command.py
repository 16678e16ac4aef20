"""`metatrain train`: consume a run, show it, and end with a result and a picture."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from orchestrator.cli.common import (
    NOTES,
    RESULTS,
    check_machine,
    drawn_or_note,
    open_family,
    show_note,
    waiting,
    watch_every_s,
)
from orchestrator.config.schema import MetaConfig
from orchestrator.outer.blocks import example_blocks
from orchestrator.pool.watched_pool import Watch, WatchedPool
from orchestrator.run.resume import find_state
from orchestrator.run.signals import GracefulStop, Interrupted, PythonInterrupt
from orchestrator.storage.storage import Storage
from orchestrator.storage.targets import open_folder
from orchestrator.text.redact import redact
from workers.tasks.family import notes_of
from workers.wire.errors import CheckpointError, MetatrainError

if TYPE_CHECKING:  # these import TensorFlow, which refusals must not wait for
    from orchestrator.records.result import Result
    from orchestrator.run.launch import Launch
    from orchestrator.run.training_run import TrainingRun


def execute(
    config: MetaConfig,
    notes: list[str],
    location: str,
    resume: bool,
    allow_changes: bool,
    verbose: bool,
    stop: GracefulStop | PythonInterrupt,
    command: str = "",
) -> Result:
    """Train to the end, and show it.

    Args:
      command: what was typed, without secrets, for the run's history.
    Returns:
      the scores on the test tasks.
    Raises:
      Interrupted: stopped by a signal; the last whole step is saved.
      ValueError, MetatrainError: the input was wrong, the run failed.
    """
    for note in notes:
        NOTES.print(f"note: {note}")
    check_machine(config)
    with open_folder(location, show_note) as storage:
        state, fingerprint, resume_notes = find_state(config, storage, resume, allow_changes)
        for note in resume_notes:
            NOTES.print(f"note: {note}")
        family = open_family(config)
        for note in notes_of(family):
            show_note(note)
        with waiting() as say:
            from orchestrator.run.launch import launch

            launched = launch(
                config,
                family,
                {} if allow_changes else fingerprint,
                examples=example_blocks(config, family),
                say=say,
                notify=NOTES.print,
                verbose=verbose,
            )
            from orchestrator.run.training_run import TrainingRun

            watch = Watch()
            launched.pool = WatchedPool(launched.pool, watch)
            stop.install()
            run = TrainingRun(config, storage, launched, state, show_note, command)
        return _to_the_end(config, storage, launched, run, stop, watch)


def _to_the_end(
    config: MetaConfig,
    storage: Storage,
    launched: Launch,
    run: TrainingRun,
    stop: GracefulStop | PythonInterrupt,
    watch: Watch,
) -> Result:
    try:
        _show_start(config, storage, launched, run.first_step)
        started = time.monotonic()
        _train(config, run, stop, watch)
        return _show_end(config, storage, run, time.monotonic() - started, watch)
    except BaseException as error:
        run.leave(_why(error))
        raise
    finally:
        with stop.ignored():
            run.close()


def _train(
    config: MetaConfig, run: TrainingRun, stop: GracefulStop | PythonInterrupt, watch: Watch
) -> None:
    from orchestrator.reporting.terminal import ProgressView

    try:
        with stop.deferred(), ProgressView(NOTES, run.first_step, config.outer.steps) as view:
            watch.begin("validating", view.say, view.every_s)
            for progress in run.steps():
                view.update(progress)
                stop.stop_if_requested()
    except (Interrupted, KeyboardInterrupt):
        with stop.ignored():
            _save(run)
        raise
    except MetatrainError:
        with stop.ignored(), contextlib.suppress(CheckpointError):  # the first error is told
            _save(run)
        raise


def _why(error: BaseException) -> str:
    """How a run ended that did not finish, in a line."""
    if isinstance(error, (Interrupted, KeyboardInterrupt)):
        return "stopped"
    return f"failed: {redact(str(error).partition(chr(10))[0]) or type(error).__name__}"


def _save(run: TrainingRun) -> None:
    """The last whole step, and say so once it is durable."""
    run.save()
    run.flush()
    NOTES.print(f"saved up to step {run.saved_step}")


def _show_start(config: MetaConfig, storage: Storage, launched: Launch, first_step: int) -> None:
    resumed = f", resuming after step {first_step}" if first_step else ""
    NOTES.print(
        f"{config.name}: {config.outer.steps} outer steps of {config.outer.meta_batch_size} tasks "
        f"in {storage.location}{resumed}",
        f"running in {launched.pool.name}: {launched.why}",
        sep="\n",
    )
    for note in launched.facts.notes if launched.facts else []:
        NOTES.print(f"model: {note}")


def _show_end(
    config: MetaConfig, storage: Storage, run: TrainingRun, trained_s: float, watch: Watch
) -> Result:
    from orchestrator.reporting.terminal import per_second, print_result

    steps = config.outer.steps - run.first_step
    theta_sha256 = run.theta_sha256
    with waiting() as say:
        say("evaluating on the test tasks")
        watch.begin("evaluating on the test tasks", say, watch_every_s())
        result = run.test()
    print_result(RESULTS, result, config.evaluation.inner_steps, theta_sha256)
    if steps:
        RESULTS.print(
            f"trained {steps} steps in {trained_s:.0f} s, {per_second(steps, trained_s)} steps/s "
            "(validation included)"
        )
    RESULTS.print(
        f"theta after step {config.outer.steps}: sha256 {theta_sha256} (equal for equal weights)"
    )
    _draw(run, result, storage, watch)
    return result


def _draw(run: TrainingRun, result: Result, storage: Storage, watch: Watch) -> None:
    """Picture and page, after the scores are told: a run without them has not failed."""
    with waiting() as say:
        say("drawing")
        watch.begin("drawing", say, watch_every_s())
        picture = drawn_or_note("picture", lambda: run.draw(result))
        page = drawn_or_note("page", run.report)
    for what, name in (("picture", picture), ("page", page)):
        if name:
            RESULTS.print(f"{what}: {storage.place(name)}")
