"""Groups of texts from a table: the pool of examples of each task."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.settings.generation_task import GenerationTask
from workers.tasks.copies import Copies
from workers.tasks.data_folder import find_file
from workers.tasks.leaving_out import or_left_out
from workers.tasks.listing import others
from workers.tasks.splits import SPLITS, Splits, split_hash, split_names
from workers.tasks.table.rows import Rows, refused
from workers.tasks.text.characters import Characters
from workers.wire.errors import DataError


@dataclass(frozen=True, slots=True)
class Passages:
    """Texts by task; a text that a task has twice counts once.

    source: the file.
    names: of the tasks, sorted.
    texts: (name in errors, text) of all tasks.
    places: for each task, int32 indices into `texts`, ascending.
    repeated: the number of repeated texts.
    left_out: the number of tasks with too few texts.
    qualifier: words that qualify a task's number of texts in errors, or "".
    splits: of the tasks.
    digest: sha256 of all of these.
    """

    source: str
    names: list[str]
    texts: list[tuple[str, str]]
    places: list[NDArray[np.int32]]
    repeated: int
    left_out: int
    qualifier: str
    splits: Splits
    digest: str

    def of_split(self, split: str) -> list[str]:
        """Return the texts of a split's tasks."""
        tasks = self.splits[split]  # type: ignore[index]
        return [self.texts[i][1] for task in tasks for i in self.places[task]]

    def notes(self) -> list[str]:
        """Report repeated texts."""
        texts = [text for _, text in self.texts]
        copies = Copies.of_texts(texts, self.places, self.names, self.splits, self.repeated)
        remedy = "; task.shared_texts=leave_out keeps those of held-out tasks out of training"
        return copies.notes("text", "task", "tasks", remedy if copies.split else "")

    def check_sizes(self, tasks: Iterable[int], needed: int) -> None:
        """Raise DataError if one of `tasks` has fewer than `needed` texts."""
        small = [task for task in tasks if len(self.places[task]) < needed]
        if small:
            names, sizes = [self.names[i] for i in small], [len(self.places[i]) for i in small]
            left = sum(len(texts) >= needed for texts in self.places)
            remedy = or_left_out(left, len(SPLITS), "task.small_tasks", "tasks")
            also = f" with task.min_texts={needed}" if remedy else ""
            raise DataError(
                f"{self.source}: the task {names[0]!r} has {sizes[0]} different texts"
                f"{self.qualifier}, {needed} are needed for shots and queries"
                f"{others(names, sizes)}; lower shots or queries{remedy}{also}"
            )


def read_passages(settings: GenerationTask) -> Passages:
    """Read the table, group its texts, and split the groups.

    Raises:
      DataError: a column is missing, a text or name is empty or not UTF-8 (names the row), or a
        task is too small, or all are.
    """
    path = str(find_file(settings.path, "task.path"))
    groups, repeated = _grouped(path, settings)
    needed, num_groups = settings.min_texts or settings.shots + settings.queries, len(groups)
    if settings.small_tasks == "leave_out":
        groups = {name: group for name, group in groups.items() if len(group) >= needed}
        if not groups:
            raise DataError(
                f"{path}: no task has {needed} different texts; lower task.min_texts, task.shots "
                "or task.queries"
            )
    names = sorted(groups)
    splits = split_names(names, settings, "tasks")
    if settings.shared_texts == "leave_out":
        _leave_out_shared(groups, names, splits)
        if settings.small_tasks == "leave_out":
            sizes = np.array([len(groups[name]) for name in names])
            splits = {split: tasks[sizes[tasks] >= needed] for split, tasks in splits.items()}
    texts: list[tuple[str, str]] = []
    places = []
    for name in names:
        start = len(texts)
        texts += groups[name]
        places.append(np.arange(start, len(texts), dtype=np.int32))
    digest = hashlib.sha256()
    for name in names:
        digest.update(json.dumps([name, [text for _, text in groups[name]]]).encode())
    digest.update(split_hash(names, splits).encode())
    qualifier = " that no other split has" if settings.shared_texts == "leave_out" else ""
    left_out = num_groups - sum(map(len, splits.values()))
    passages = Passages(
        path, names, texts, places, repeated, left_out, qualifier, splits, digest.hexdigest()
    )
    for tasks in splits.values():
        passages.check_sizes(tasks, needed)
    return passages


Groups = dict[str, list[tuple[str, str]]]


def _grouped(path: str, settings: GenerationTask) -> tuple[Groups, int]:
    """Group the texts of a table.

    Returns:
      task -> its different texts, each with its place in the file; and the number of repeats.
    """
    table = Rows(Path(path), [settings.task_column, settings.text_column])
    table.check(settings.task_column, "task.task_column")
    table.check_texts(settings.text_column, "task.text_column")
    texts, tasks = table.texts(settings.text_column), table.texts(settings.task_column)
    blank = [row for row, text in enumerate(texts) if not text.strip()]
    if blank:
        raise refused(path, blank[0], f"has an empty {settings.text_column!r}")
    groups: Groups = {}
    for row in _order(table, settings):
        groups.setdefault(tasks[row], []).append((f"{path}: row {row}", texts[row]))
    if settings.texts == "windows":
        groups = {name: _windows(path, name, group, settings) for name, group in groups.items()}
    kept = {name: _different(group) for name, group in groups.items()}
    return kept, sum(map(len, groups.values())) - sum(map(len, kept.values()))


def _order(table: Rows, settings: GenerationTask) -> Sequence[int]:
    if settings.order_column is None:
        return range(len(table))
    table.check(settings.order_column, "task.order_column")
    numbers: Any = table.column_of_numbers(settings.order_column, False)
    return [int(row) for row in np.argsort(numbers, kind="stable")]


def _windows(
    path: str, name: str, lines: list[tuple[str, str]], settings: GenerationTask
) -> list[tuple[str, str]]:
    """Cut a task's text into equal parts; a shorter rest is left out."""
    whole = "\n".join(text for _, text in lines)
    parts = _cut(whole, settings.tokens, settings.length)
    return [(f"{path}: window {i} of {name!r}", part) for i, part in enumerate(parts)]


def _cut(text: str, tokens: str, length: int) -> list[str]:
    if tokens == "characters":
        return [text[i : i + length] for i in range(0, len(text) - length + 1, length)]
    # Cuts are between characters, so that each part is a text: some are shorter than `length`.
    parts, part, size = list[str](), "", 0
    for character in text:
        width = len(character.encode())
        if size + width > length:
            parts.append(part)
            part, size = "", 0
        part, size = part + character, size + width
    return [*parts, part] if size == length else parts


def _different(texts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Keep the first of equal texts."""
    firsts: dict[str, str] = {}
    for where, text in texts:
        firsts.setdefault(text, where)
    return [(where, text) for text, where in firsts.items()]


def _leave_out_shared(groups: Groups, names: Sequence[str], splits: Splits) -> None:
    """Leave test texts out of the other splits, and validation texts out of training."""
    held_out: set[str] = set()
    for split in reversed(SPLITS):
        of_split = [names[i] for i in splits[split]]
        for name in of_split:
            groups[name] = [(where, text) for where, text in groups[name] if text not in held_out]
        held_out |= {text for name in of_split for _, text in groups[name]}


def vocabulary_of(passages: Passages, settings: GenerationTask) -> Characters:
    """Build the vocabulary of the training tasks."""
    ends = settings.texts == "rows"
    return Characters.of(passages.of_split("train"), settings.tokens, settings.length, ends)
