"""Labelled texts from a table, by class, and their splits."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workers.tasks.copies import Copies
from workers.tasks.data_folder import find_file
from workers.tasks.leaving_out import or_left_out
from workers.tasks.listing import others
from workers.tasks.splits import SPLITS, Splits, split_names
from workers.tasks.table.rows import Rows, refused
from workers.tasks.text.tokens import Ids, Tokens
from workers.wire.errors import DataError


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts by class; a text that a class has twice counts once (see `same`).

    source: the file. texts: in its order. classes: sorted names. domains: of each class, "" where
    there are none. rows: of each class, int32 indices of its texts, ascending. digest: of all of
    these. left_out: texts of the file that training sees. repeated: texts that their class had.
    """

    source: str
    texts: list[str]
    classes: list[str]
    domains: list[str]
    rows: list[NDArray[np.int32]]
    digest: str
    left_out: int = 0
    repeated: int = 0

    def of_classes(self, classes: Iterable[int] | None = None) -> list[str]:
        """The texts of some classes, or of all."""
        chosen = range(len(self.classes)) if classes is None else classes
        return [self.texts[row] for i in chosen for row in self.rows[i]]

    def encode(self, tokens: Tokens, cut: bool) -> Ids:
        """int32 [rows of the file, length]; of rows that are in no class, zeros.

        Raises:
          DataError: a text is too long.
        """
        used = np.concatenate(self.rows)
        ids = np.zeros((len(self.texts), tokens.length), np.int32)
        named = {f"{self.source}: row {row}": self.texts[row] for row in used}
        ids[used] = tokens.encode(named, cut)
        return ids

    def check_sizes(self, classes: Iterable[int], needed: int, ways: int) -> None:
        """Raise DataError if one of `classes` has less than `needed` texts; a task has `ways`."""
        small = [i for i in classes if len(self.rows[i]) < needed]
        if small:
            names, sizes = [self.classes[i] for i in small], [len(self.rows[i]) for i in small]
            left = sum(len(rows) >= needed for rows in self.rows)
            remedy = or_left_out(left, len(SPLITS) * ways, "task.small_classes")
            raise DataError(
                f"{self.source}: the class {names[0]!r} has {sizes[0]} different texts, shots and "
                f"queries need {needed}{others(names, sizes)}; lower task.shots or "
                f"task.queries{remedy}"
            )

    def notes(self, splits: Splits) -> list[str]:
        """Texts that are there more than once; `splits`: of the classes."""
        contents = [same(text) for text in self.texts]
        copies = Copies.of_texts(contents, self.rows, self.classes, splits, self.repeated)
        which = "; which class is right? leave the others out"
        return copies.notes("text", "class", "classes", which)

    def describe(self) -> dict[str, Any]:
        """For `metatrain data`."""
        sizes = [len(rows) for rows in self.rows]
        table: dict[str, Any] = {
            "source": self.source,
            "texts": sum(sizes),
            "classes": len(sizes),
            "texts_per_class": [min(sizes), max(sizes)],
        }
        of_classes = Counter(self.texts[row] for rows in self.rows for row in rows)
        if shared := sum(number > 1 for number in of_classes.values()):
            table["texts_of_several_classes"] = shared
        if any(self.domains):
            table["domains"] = len(set(self.domains))
        return table


def same(text: str) -> str:
    """Equal for texts that a reader takes for the same one, and words and n-grams nearly do too.

    Capitals, spaces and the way that an accent is stored make no other text.
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def read_texts(path: str, settings: Any, needed: int, trained: "Texts | None" = None) -> Texts:
    """Read `path` by the columns that `settings` names.

    Args:
      settings: text_column, label_column, domain_column, leave_out, small_classes.
      needed: texts that a class must have.
      trained: of task.path, where `path` is task.test_path: its texts are left out of this one.
    Raises:
      DataError: a column is missing, a text or name is empty or no UTF-8, a class is in two
        domains or too small, or a domain was trained on; names the row.
    """
    columns = {"text_column": settings.text_column, "label_column": settings.label_column}
    if settings.domain_column is not None:
        columns["domain_column"] = settings.domain_column
    path = str(find_file(path, "task.path" if trained is None else "task.test_path"))
    table = Rows(Path(path), columns.values())
    for name, column in columns.items():
        table.check(column, f"task.{name}")
    table.check_texts(settings.text_column, "task.text_column")
    texts = [text.strip() for text in table.texts(settings.text_column)]
    labels = table.texts(settings.label_column)
    domains = [""] * len(texts)
    if settings.domain_column is not None:
        domains = table.texts(settings.domain_column)
    unknown = sorted(set(settings.leave_out) - set(labels))
    if unknown and trained is None:
        raise DataError(
            f"task.leave_out names {unknown[0]!r}, which is no class of {path}; "
            "name classes of it, or none: task.leave_out=[]"
        )
    found = _by_class(path, settings, texts, labels, domains)
    used = sum(label not in settings.leave_out for label in labels)
    repeated = used - sum(len(rows) for _, rows in found.values())
    left_out = 0 if trained is None else _leave_out_seen(path, found, texts, trained)
    if settings.small_classes == "leave_out":
        found = {name: each for name, each in found.items() if len(each[1]) >= needed}
        if not found:
            raise DataError(
                f"{path}: no class has {needed} different texts; lower task.shots or task.queries"
            )
    return replace(_assemble(path, texts, found, left_out), repeated=repeated)


def split_texts(texts: Texts, settings: Any, by: Literal["classes", "domains"]) -> Splits:
    """The classes of each split: they themselves are split, or their domains are.

    Raises:
      DataError: see `split_names`.
    """
    if by == "classes":
        ways = settings.ways or 2  # unset: a task takes what every split has
        return split_names(texts.classes, settings, "classes", (ways, ways, ways))
    names = sorted(set(texts.domains))
    of_domains = split_names(names, settings, "domains")
    place = np.array([names.index(domain) for domain in texts.domains])
    return {
        split: np.flatnonzero(np.isin(place, of_domains[split])).astype(np.int32)
        for split in SPLITS
    }


Classes = dict[str, tuple[str, list[int]]]


def _by_class(
    path: str, settings: Any, texts: list[str], labels: list[str], domains: list[str]
) -> Classes:
    """Class -> its domain and its rows."""
    found: Classes = {}
    seen: set[tuple[str, str]] = set()
    for row, (text, label, domain) in enumerate(zip(texts, labels, domains, strict=True)):
        if label in settings.leave_out:
            continue
        if not text:
            raise refused(path, row, f"has an empty {settings.text_column!r}")
        of, rows = found.setdefault(label, (domain, []))
        if of != domain:
            raise DataError(
                f"{path}: row {row} has {label!r} in the domain {domain!r}, row {rows[0]} has it "
                f"in {of!r}; a class belongs to one domain"
            )
        if (label, content := same(text)) not in seen:
            seen.add((label, content))
            rows.append(row)
    return found


def _leave_out_seen(path: str, found: Classes, texts: list[str], trained: Texts) -> int:
    """Take out of `found` what training sees, in capitals or not; how many texts that were."""
    seen = {same(text) for text in trained.of_classes()}
    left_out = 0
    for domain, rows in found.values():
        if domain in trained.domains:
            raise DataError(
                f"{path}: row {rows[0]} is of the domain {domain!r}, which {trained.source} has "
                "too; a test is of domains that training has not seen: rename or leave out one"
            )
        new = [row for row in rows if same(texts[row]) not in seen]
        left_out += len(rows) - len(new)
        rows[:] = new
    return left_out


def _assemble(path: str, texts: list[str], found: Classes, left_out: int) -> Texts:
    classes = sorted(found)
    digest = hashlib.sha256()
    for name in classes:
        domain, rows = found[name]
        for part in (domain, name, *(texts[row] for row in rows)):
            digest.update(part.encode() + b"\x1f")
    return Texts(
        path,
        texts,
        classes,
        [found[name][0] for name in classes],
        [np.array(found[name][1], np.int32) for name in classes],
        digest.hexdigest(),
        left_out,
    )
