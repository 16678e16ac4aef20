"""The two consoles, notes to the user, and progress displays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from orchestrator.pool.watched_pool import Watch
from orchestrator.text.console import Console, plain
from workers.wire.errors import MetatrainError

#: Results go to standard output, all else to standard error.
RESULTS = Console()
NOTES = Console(stderr=True)


def show_note(note: str) -> None:
    """Print a note that does not end the command; from any thread."""
    NOTES.print(f"note: {note}")


def drawn_or_note(what: str, make: Callable[[], str]) -> str:
    """Return the name that `make` returns; "" and a note if drawing fails.

    Raises:
      MetatrainError: the file cannot be written.
    """
    try:
        return make()
    except MetatrainError:
        raise
    except Exception as error:  # any error of a library on the user's data
        show_note(f"the {what} is left out: {type(error).__name__}: {error}")
        return ""


@contextmanager
def progress_bar(work: str, things: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar, or lines, if there is long work to do first.

    Args:
      work: such as "decoding images". things: what is counted, such as "images".
    Returns:
      a function that takes (done, total).
    """
    from rich.progress import Progress

    watch = Watch(work, NOTES.print, things=things)
    bar = Progress(console=NOTES, transient=True, disable=not NOTES.is_terminal)
    task = bar.add_task(work, total=None)

    def progress(done: int, total: int) -> None:
        if not done:
            watch.start()
        if not NOTES.is_terminal:
            watch.tell(done, total)
            return
        bar.start()
        bar.update(task, completed=done, total=total)
        if done == total:  # another one may follow
            bar.stop()

    try:
        yield progress
    finally:
        if bar.live.is_started:
            bar.stop()


@contextmanager
def waiting() -> Iterator[Any]:
    """Show a spinner (or plain lines) with a text about the current work."""
    if NOTES.is_terminal:
        with NOTES.status("") as status:
            yield lambda text: status.update(plain(text))
    else:
        yield NOTES.print


def watch_every_s() -> float:
    """Return the seconds between two updates: shorter in a terminal, which redraws in place."""
    return 0.2 if NOTES.is_terminal else 5.0
