"""The opening of a run, in one place: its folder, its state, its tasks, its pool.

folder -> state -> task family -> pool -> run
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from orchestrator.config.schema import MetaConfig
from orchestrator.outer.blocks import example_blocks
from orchestrator.outer.state import MetaState
from orchestrator.pool.watched_pool import Watch, WatchedPool
from orchestrator.run.opening import open_family
from orchestrator.run.resume import find_state
from orchestrator.run.signals import NoStop, Stop
from orchestrator.storage.storage import Storage
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Block

if TYPE_CHECKING:  # these import TensorFlow, which refusals must not wait for
    from orchestrator.run.launch import Launch
    from orchestrator.run.training_run import TrainingRun
    from workers.block import BlockRunner

Say = Callable[[str], None]
Waiting = Callable[[], AbstractContextManager[Say]]
#: Takes the task family, and returns it or another one in its place.
Prepare = Callable[[TaskFamily], TaskFamily]


@dataclass(frozen=True, slots=True)
class Start:
    """The state that a run starts from.

    state: the state; None for theta drawn from the seed.
    fingerprint: fingerprint that this machine must have; empty for any.
    """

    state: MetaState | None = None
    fingerprint: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The options of opening a run, in which commands and sweeps differ.

    prepare: see `Prepare`.
    waiting: opens a context that shows the user what is being waited for.
    notify: takes a line about each fault that the pool recovers from.
    watch: reports progress through held-out tasks; None for no report.
    verbose: print the messages of TensorFlow and Ray.
    make_runner: returns the runner of a pool in this process; None for a new runner.
    """

    prepare: Prepare = lambda family: family
    waiting: Waiting = lambda: nullcontext(print)
    notify: Callable[[str], None] = print
    watch: Watch | None = None
    verbose: bool = False
    make_runner: Callable[[MetaConfig, TaskFamily], BlockRunner] | None = None


def resume_or_begin(
    config: MetaConfig, storage: Storage, resume: bool, allow_changes: bool, note: Say
) -> Start:
    """Find the state that a run in `storage` starts from.

    Args:
      note: takes a line for each thing that the user should know about it.

    Raises:
      ValueError: the folder holds another run, or the configuration changes its numbers.
    """
    state, fingerprint, notes = find_state(config, storage, resume, allow_changes)
    for text in notes:
        note(text)
    return Start(state, {} if allow_changes else fingerprint)


@contextmanager
def open_run(
    config: MetaConfig,
    folder: AbstractContextManager[Storage],
    find_start: Callable[[Storage], Start],
    opening: Opening,
    *,
    note: Callable[[str], None],
    command: str,
    stop: Stop | None = None,
) -> Iterator[TrainingRun]:
    """Open a run to train or to test it; close it, its pool and its folder at the end.

    Args:
      folder: context that opens the run's folder, which is claimed while it is open.
      find_start: finds the state that the run in the folder starts from.
      note: takes a line about faults that do not end the run, from any thread.
      command: the command as typed, without secrets, for the run's history.
      stop: handles signals once the pool is there; None to leave them alone.
    Raises:
      ValueError, MetatrainError: the run cannot be opened.
    """
    stop = stop or NoStop()
    with folder as storage:
        start = find_start(storage)
        family = opening.prepare(open_family(config))
        examples = example_blocks(config, family)
        with opening.waiting() as say:
            launched = _launch(config, family, start, examples, opening, say)
            from orchestrator.run.training_run import TrainingRun

            stop.install()
            run = TrainingRun(config, storage, launched, start.state, note, command, stop)
        try:
            yield run
        finally:
            with stop.ignored():
                run.close()


@contextmanager
def open_pool(config: MetaConfig, opening: Opening) -> Iterator[Launch]:
    """Open a task family and a pool for trained weights; close the pool at the end.

    Raises:
      ValueError, MetatrainError: they cannot be opened.
    """
    family = opening.prepare(open_family(config))
    with opening.waiting() as say:
        launched = _launch(config, family, Start(), (), opening, say)
    try:
        yield launched
    finally:
        launched.close()


def _launch(
    config: MetaConfig,
    family: TaskFamily,
    start: Start,
    examples: Sequence[Block],
    opening: Opening,
    say: Say,
) -> Launch:
    from orchestrator.run.launch import launch

    launched = launch(
        config,
        family,
        start.fingerprint,
        examples=examples,
        say=say,
        notify=opening.notify,
        verbose=opening.verbose,
        make_runner=opening.make_runner,
    )
    if opening.watch is None:
        return launched
    return replace(launched, pool=WatchedPool(launched.pool, opening.watch))
