"""What must be right of a user's tasks before anything is trained, and what is worth saying."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.settings.python_task import PythonTask
from workers.tasks.python.draws import Draws, Parts
from workers.tasks.python.examples import Layout, layout_of, make_episode
from workers.tasks.python.global_random import refuse_global_draws
from workers.tasks.python.labels import BadTaskError
from workers.tasks.python.sizes import SetSize
from workers.tasks.python.source import Drawer, open_source
from workers.tasks.splits import SPLITS
from workers.user_code.blame import CallError
from workers.wire.protocol import Draw, Episode, Split

# Tasks of each split that are looked at.
_TASKS = 4
# The numbers that they are drawn with: the same in each split, to see what `split` changes.
_DRAW = Draw(0, "train", 0)


@dataclass(frozen=True, slots=True)
class Looked:
    """What the first tasks are like.

    tasks: the first ones of each split. splits: how the tasks of the splits differ, for protocols.
    notes: for people.
    """

    layout: Layout
    tasks: list[Episode]
    splits: str
    notes: list[str]


def look(drawer: Drawer, draws: Draws, settings: PythonTask) -> Looked:
    """Draw the first tasks of each split, and those of training again, one by one and backwards.

    Raises:
      ValueError: a task is not as it must be, another one the second time, or drawn from a global
        generator; the function raises. Names the task, the split and the line.
    """
    layout: Layout | None = None
    tasks: list[Episode] = []
    for split in SPLITS:
        parts = _drawn(drawer, draws, settings, split, [*range(_TASKS)])

        def read(parts: Parts = parts) -> Episode:
            nonlocal layout
            layout = layout or layout_of(parts, settings.wanted)
            return make_episode(parts, range(_TASKS), layout)

        tasks.append(_right(drawer, split, read))
    assert layout is not None
    _check_sizes(drawer, tasks)
    _check_again(drawer, draws, settings, tasks[0], layout)
    alike = [
        split for split, each in zip(SPLITS[1:], tasks[1:], strict=True) if _same(tasks[0], each)
    ]
    return Looked(
        layout=layout,
        tasks=tasks,
        splits=_splits_told(alike),
        notes=[*_split_notes(drawer, alike), *_task_notes(drawer, settings, tasks[0], layout)],
    )


def draw_sized(
    drawer: Drawer, draws: Draws, settings: PythonTask, layout: Layout, sizes: tuple[int, int]
) -> Episode:
    """Draw the first validation tasks with other shots and queries than those of the settings.

    Raises:
      ValueError: as `look`; says which shots and queries.
    """
    shots, queries = sizes
    asked = settings.model_copy(update={"shots": shots, "queries": queries})
    try:
        parts = _drawn(drawer, draws, asked, "validation", [*range(_TASKS)])
        episode: Episode = _right(
            drawer, "validation", lambda: make_episode(parts, range(_TASKS), layout)
        )
    except ValueError as error:
        raise ValueError(f"{error} (drawn with shots = {shots} and queries = {queries})") from error
    return episode


def _drawn(
    drawer: Drawer, draws: Draws, settings: PythonTask, split: Split, tasks: list[int]
) -> Parts:
    """Draw tasks while the global generators are watched."""

    def draw() -> Parts:
        with refuse_global_draws(f"{drawer.said} is called"):
            return draws.parts(_DRAW, tasks, settings.shots, settings.queries, split)

    return _right(drawer, split, draw, settings.folder)


def _right(drawer: Drawer, split: Split, make: Callable[[], Any], folder: str = "") -> Any:
    """Return what `make` returns, or raise an error of one line."""
    try:
        return make()
    except BadTaskError as error:
        raise ValueError(
            f"{drawer.said}: task {error.task} of the split {split!r} {error.what}"
        ) from None
    except CallError as failed:
        raise ValueError(
            f"{drawer.said}: {failed.which} of the split {split!r} {failed.told(folder)}"
        ) from failed.error


def _check_sizes(drawer: Drawer, tasks: list[Episode]) -> None:
    """All splits need as many examples: shots and queries are the same."""
    for split, each in zip(SPLITS, tasks, strict=True):
        for name, array, first in zip(Episode._fields, each, tasks[0], strict=True):
            if array.shape != first.shape:
                raise ValueError(
                    f"{drawer.said}: tasks of the split {split!r} have {name.replace('_', ' ')} of "
                    f"shape {list(array.shape[1:])}, those of 'train' {list(first.shape[1:])}, for "
                    "the same shots and queries; return as many examples in each split"
                )


def _check_again(
    drawer: Drawer, draws: Draws, settings: PythonTask, tasks: Episode, layout: Layout
) -> None:
    """Check that a task does not depend on earlier draws, and does not change afterwards."""
    anew = Draws(open_source(settings), settings.draw_together)  # as an actor has them
    for index in reversed(range(_TASKS)):
        source = anew if index == 0 else draws
        parts = _drawn(drawer, source, settings, "train", [index])
        again = make_episode(parts, [index], layout)
        first = (array[index : index + 1] for array in tasks)
        if not all(np.array_equal(*pair) for pair in zip(first, again, strict=True)):
            raise ValueError(
                f"{drawer.said}: task {index} of the split 'train' is another one the second time, "
                "from the same numbers: no run could be repeated; draw all that is random from "
                "`rng`, keep nothing from one call to the next, and return new arrays"
            )


def _same(one: Episode, other: Episode) -> bool:
    return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def _splits_told(alike: list[Split]) -> str:
    if len(alike) == len(SPLITS) - 1:
        return "one distribution; tasks of the splits differ by their draws only"
    return "as the function makes them of `split`"


def _split_notes(drawer: Drawer, alike: list[Split]) -> list[str]:
    if not alike:
        return []
    which = " and ".join(map(repr, alike))
    return [
        f"{drawer.said} ignores `split`: from the same numbers, tasks of {which} are those of "
        "'train', so they differ by their draws only; if there are tasks to keep for tests, such "
        "as other stations or classes, choose them by `split`"
    ]


def _task_notes(drawer: Drawer, settings: PythonTask, tasks: Episode, layout: Layout) -> list[str]:
    notes = []
    if all(np.array_equal(array[:1], array[1:2]) for array in tasks):
        notes.append(
            f"{drawer.said} draws the same task again and again: is `rng` used? There is nothing "
            "to learn from such tasks"
        )
    for name, given, targets in (
        ("shots", settings.shots, tasks.support_targets),
        ("queries", settings.queries, tasks.query_targets),
    ):
        number, stated = SetSize.of(targets, layout)
        if number not in {given, given * layout.outputs if layout.classifies else given}:
            notes.append(
                f"{drawer.said} gives {number} examples for {name} = {given}; protocols say "
                f"{name} {stated}"
            )
    return notes
