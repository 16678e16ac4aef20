"""Opens a run, in one place: its folder, what it starts from, its tasks, its pool.

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
#: Looks at the task family, and may put another one in its place.
Prepare = Callable[[TaskFamily], TaskFamily]


@dataclass(frozen=True, slots=True)
class Start:
    """The state that a run starts from.

    state: None for theta drawn from the seed. fingerprint: what this machine must agree with;
    empty for nothing.
    """

    state: MetaState | None = None
    fingerprint: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a run is opened: what commands and sweeps do differently.

    prepare: see `Prepare`. waiting: opens what shows the user what is being waited for. notify:
    takes a line for each thing that went wrong in the pool and was made good. watch: counts
    held-out tasks; None for nobody. make_runner: of a pool in this process; None for a new runner.
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
    """Find what a run in `storage` starts from; `note` takes what the user should know of it.

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
      folder: the run's folder, which is claimed while it is open.
      find_start: says what the run in it starts from.
      note: takes what went wrong and does not end the run, from any thread.
      command: what was typed, without secrets, for the run's history.
      stop: takes the signals once the pool is there; None to leave them alone.
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
            run = TrainingRun(config, storage, launched, start.state, note, command)
        try:
            yield run
        finally:
            with stop.ignored():
                run.close()


@contextmanager
def open_pool(config: MetaConfig, opening: Opening) -> Iterator[Launch]:
    """Open a task family and a pool for weights that are trained; close the pool at the end.

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
