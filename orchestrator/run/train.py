"""A run from its folder to its scores, shown in the terminal: train, test, draw."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.config.schema import MetaConfig
from orchestrator.evaluate import metric_names
from orchestrator.pool.watched_pool import Watch
from orchestrator.reporting.notes import (
    NOTES,
    RESULTS,
    drawn_or_note,
    show_note,
    waiting,
    watch_every_s,
)
from orchestrator.run.opening import check_machine
from orchestrator.run.prepared_ahead import prepared_ahead
from orchestrator.run.session import Opening, open_run, resume_or_begin
from orchestrator.run.signals import Interrupted, Stop
from orchestrator.storage.targets import open_folder
from orchestrator.text.redact import redact
from orchestrator.tracking.tracking import Tracking, check_tracking
from workers.tasks.family import TaskFamily, notes_of

if TYPE_CHECKING:  # these import TensorFlow, which refusals must not wait for
    from orchestrator.records.result import Result
    from orchestrator.run.training_run import TrainingRun


def train(
    config: MetaConfig,
    notes: list[str],
    location: str,
    resume: bool,
    allow_changes: bool,
    verbose: bool,
    stop: Stop,
    command: str = "",
) -> Result:
    """Train to the end, test, and show progress and scores.

    Args:
      notes: lines about the configuration for the user.
      location: the run's folder.
      resume: continue the run in the folder.
      allow_changes: resume although settings that decide bits have changed.
      verbose: print the messages of TensorFlow and Ray.
      stop: handles signals.
      command: the command as typed, without secrets, for the run's history.
    Returns:
      the scores on the test tasks.
    Raises:
      Interrupted: a signal stopped the run; the last complete step is saved.
      ValueError, MetatrainError: the input was wrong, the run failed.
    """
    check_machine(config)
    for note in notes:
        show_note(note)
    check_tracking(config)
    watch = Watch()
    opening = Opening(
        prepare=_show_notes, waiting=waiting, notify=NOTES.print, watch=watch, verbose=verbose
    )
    find_start = partial(
        resume_or_begin, config, resume=resume, allow_changes=allow_changes, note=show_note
    )
    folder = open_folder(location, show_note)
    with open_run(
        config, folder, find_start, opening, note=show_note, command=command, stop=stop
    ) as run:
        tracking, ended = Tracking(config, run.storage, show_note), "failed"
        try:
            with stop.deferred():  # a service must not begin a run that nobody ends
                tracking.open()
            stop.stop_if_requested()
            result = _train_and_test(config, run, stop, watch, tracking)
            ended = "finished"
            return result
        except BaseException as error:
            ended = "stopped" if _is_stop(error) else "failed"
            run.leave(_ending(error))
            raise
        finally:
            tracking.close(ended)


def _show_notes(family: TaskFamily) -> TaskFamily:
    """Show the notes of a task family, and return the family."""
    for note in notes_of(family):
        show_note(note)
    return family


def _train_and_test(
    config: MetaConfig, run: TrainingRun, stop: Stop, watch: Watch, tracking: Tracking
) -> Result:
    _show_start(config, run)
    started = time.monotonic()
    with prepared_ahead(config, run):
        _train(config, run, stop, watch, tracking)
        trained_s = time.monotonic() - started  # its end may wait for the thread
    result = _show_end(config, run, trained_s, watch)
    tracking.log_test(result.after)
    return result


def _train(
    config: MetaConfig, run: TrainingRun, stop: Stop, watch: Watch, tracking: Tracking
) -> None:
    from orchestrator.reporting.terminal import ProgressView

    measured, last = metric_names(run.launch.family), config.outer.steps
    has_inner_steps = not config.algorithm.closed_form
    shown = ProgressView(NOTES, run.first_step, last, measured, has_inner_steps)
    try:
        with stop.deferred(), shown as view:
            watch.begin("validating", view.say, view.every_s)
            for progress in run.steps():
                view.update(progress)
                tracking.log(progress.row, bool(progress.validation))
                stop.stop_if_requested()
    except (Interrupted, KeyboardInterrupt):
        with stop.ignored():
            _save(run)
        raise
    except Exception:  # of Ray's, of the system's, of the user's code: whatever ends the run
        with stop.ignored(), contextlib.suppress(Exception):  # the first error is reported
            _save(run)
        raise


def _is_stop(error: BaseException) -> bool:
    return isinstance(error, (Interrupted, KeyboardInterrupt))


def _ending(error: BaseException) -> str:
    """Return a line on how an unfinished run ended."""
    if _is_stop(error):
        return "stopped"
    return f"failed: {redact(str(error).partition(chr(10))[0]) or type(error).__name__}"


def _save(run: TrainingRun) -> None:
    """Save the last complete step, and report it once it is durable."""
    run.save()
    run.flush()
    NOTES.print(f"saved up to step {run.saved_step}")


def _show_start(config: MetaConfig, run: TrainingRun) -> None:
    launched = run.launch
    resumed = f", resuming after step {run.first_step}" if run.first_step else ""
    NOTES.print(
        f"{config.name}: {config.outer.steps} outer steps of {config.outer.meta_batch_size} tasks "
        f"in {run.storage.location}{resumed}",
        f"running in {launched.pool.name}: {launched.why}",
        sep="\n",
    )
    for note in launched.facts.notes if launched.facts else []:
        NOTES.print(f"model: {note}")


def _show_end(config: MetaConfig, run: TrainingRun, trained_s: float, watch: Watch) -> Result:
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
    _draw(run, result, watch)
    return result


def _draw(run: TrainingRun, result: Result, watch: Watch) -> None:
    """Draw picture and page after the scores are shown: a run without them has not failed."""
    with waiting() as say:
        say("drawing")
        watch.begin("drawing", say, watch_every_s())
        picture = drawn_or_note("picture", lambda: run.draw(result))
        page = drawn_or_note("page", run.report)
    for what, name in (("picture", picture), ("page", page)):
        if name:
            RESULTS.print(f"{what}: {run.storage.place(name)}")
