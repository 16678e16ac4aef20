"""What several commands do alike."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import Progress

from orchestrator.config.actor_count import CountRange
from orchestrator.config.schema import MetaConfig
from orchestrator.evaluate import recipes
from orchestrator.outer.blocks import held_out_blocks
from orchestrator.pool.watched_pool import Watch
from orchestrator.run.launch import ray_is_running
from orchestrator.text.console import Console, plain
from workers.execution import runtime
from workers.tasks.family import TaskFamily
from workers.tasks.registry import make_family
from workers.wire.errors import MetatrainError

#: Results go to standard output, all else to standard error.
RESULTS = Console()
NOTES = Console(stderr=True)

# More than one per core is for tests; each takes some 800 MB.
_MOST_ACTORS_PER_CORE = 4


def show_note(note: str) -> None:
    """What the user should know, and what does not end the command; from any thread."""
    NOTES.print(f"note: {note}")


def check_machine(config: MetaConfig) -> None:
    """Refuse what this machine lacks before anything starts (a cluster is asked later).

    Raises:
      ValueError: names what is needed and what there is.
    """
    runtime.refuse_other_backend()
    workers = config.workers
    count = workers.count.min if isinstance(workers.count, CountRange) else workers.count
    if os.environ.get("RAY_ADDRESS") or ray_is_running():
        return
    most = _MOST_ACTORS_PER_CORE * len(os.sched_getaffinity(0))
    if count != "auto" and count > most:
        raise ValueError(
            f"workers.count = {workers.count}, but this machine has room for {most} actors at most "
            f"({_MOST_ACTORS_PER_CORE} per core); lower it, or set RAY_ADDRESS to a cluster"
        )
    if not workers.gpus:
        return
    runners = 1 if count == "auto" else max(1, count)
    needed, there = workers.gpus * runners, runtime.count_gpus()
    if needed > there:
        raise ValueError(
            f"workers.gpus = {workers.gpus:g} for {runners} runner{'s' if runners > 1 else ''} "
            f"needs {needed:g} GPU{'' if needed == 1 else 's'}, this machine has {there:g}; set "
            "workers.gpus=0, or RAY_ADDRESS to a cluster that has them"
        )


def open_family(config: MetaConfig) -> TaskFamily:
    """The task family, which can serve the training and the held-out tasks of `config`.

    Raises:
      DataError: the source cannot be read, or holds too little.
    """
    with decoding() as progress:
        family = make_family(config.task, progress)
    for split in ("validation", "test"):
        recipe = recipes(config)[0]
        held_out_blocks(config, family, split, 0, recipe)
    return family


def drawn_or_note(what: str, make: Callable[[], str]) -> str:
    """The name of what is made; "" and a note where it cannot be drawn.

    Raises:
      MetatrainError: it cannot be written.
    """
    try:
        return make()
    except MetatrainError:
        raise
    except Exception as error:  # whatever a library raises that is given somebody's data
        show_note(f"the {what} is left out: {type(error).__name__}: {error}")
        return ""


@contextmanager
def decoding() -> Iterator[Callable[[int, int], None]]:
    """A progress bar, or lines, that appear if a source must be decoded first."""
    watch = Watch("decoding", NOTES.print, things="images")
    bar = Progress(console=NOTES, transient=True, disable=not NOTES.is_terminal)
    task = bar.add_task("decoding images", total=None)

    def progress(done: int, total: int) -> None:
        if not NOTES.is_terminal:
            watch.tell(done, total)
            return
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield progress
    finally:
        if bar.live.is_started:
            bar.stop()


def watch_every_s() -> float:
    """How often what is waited for is told anew: in a terminal in place, elsewhere by a line."""
    return 0.2 if NOTES.is_terminal else 5.0


@contextmanager
def waiting() -> Iterator[Any]:
    """A spinner (or plain lines) whose text says what is being waited for."""
    if NOTES.is_terminal:
        with NOTES.status("") as status:
            yield lambda text: status.update(plain(text))
    else:
        yield NOTES.print
