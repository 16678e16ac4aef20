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
from workers.tasks.sizes import most_ways
from workers.tasks.splits import SPLITS, Splits, split_names
from workers.tasks.table.rows import Rows, refused
from workers.tasks.text.tokens import Ids, Tokens
from workers.wire.errors import DataError


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts by class; a text that a class has twice counts once (see `same`).

    source: the file.
    texts: in the file's order.
    classes: sorted names.
    domains: of each class, "" if there are none.
    rows: for each class, int32 indices of its texts, ascending.
    digest: sha256 of all of these.
    left_out: the number of texts left out because training sees them.
    repeated: the number of texts that repeat one of their class.
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
        """Return the texts of some classes, or of all."""
        chosen = range(len(self.classes)) if classes is None else classes
        return [self.texts[row] for i in chosen for row in self.rows[i]]

    def encode(self, tokens: Tokens, cut: bool) -> Ids:
        """Encode the texts: int32 [rows of the file, length], 0 for rows in no class.

        Raises:
          DataError: a text is too long.
        """
        used = np.concatenate(self.rows)
        ids = np.zeros((len(self.texts), tokens.length), np.int32)
        by_name = {f"{self.source}: row {row}": self.texts[row] for row in used}
        ids[used] = tokens.encode(by_name, cut)
        return ids

    def check_sizes(self, classes: Iterable[int], needed: int, ways: int) -> None:
        """Raise DataError if one of `classes` has fewer than `needed` texts.

        Args:
          ways: the number of classes of a task, for the advice.
        """
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
        """Report repeated texts; `splits`: of the classes."""
        contents = [same(text) for text in self.texts]
        copies = Copies.of_texts(contents, self.rows, self.classes, splits, self.repeated)
        remedy = "; which class is right? leave the others out: a task may have it on both sides"
        return copies.notes("text", "class", "classes", remedy)

    def describe(self) -> dict[str, Any]:
        """Describe the texts, for `metatrain data`."""
        sizes = [len(rows) for rows in self.rows]
        table: dict[str, Any] = {
            "source": self.source,
            "texts": sum(sizes),
            "classes": len(sizes),
            "texts_per_class": [min(sizes), max(sizes)],
        }
        num_classes = Counter(self.texts[row] for rows in self.rows for row in rows)
        if shared := sum(number > 1 for number in num_classes.values()):
            table["texts_of_several_classes"] = shared
        if any(self.domains):
            table["domains"] = len(set(self.domains))
        return table


def same(text: str) -> str:
    """Normalize a text, so that texts that read the same become equal.

    Capitals, spaces and the encoding of accents make no difference.
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def read_texts(path: str, settings: Any, needed: int, trained: "Texts | None" = None) -> Texts:
    """Read `path` by the columns that `settings` names.

    Args:
      settings: text_column, label_column, domain_column, leave_out, small_classes.
      needed: texts that a class must have.
      trained: the texts of task.path, if `path` is task.test_path: they are left out of this one.
    Raises:
      DataError: a column is missing, a text or name is empty or not UTF-8, a class is in two
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
            f"task.leave_out names {unknown[0]!r}, which is not a class of {path}; "
            "name its classes, or none: task.leave_out=[]"
        )
    classes = _by_class(path, settings, texts, labels, domains)
    used = sum(label not in settings.leave_out for label in labels)
    repeated = used - sum(len(rows) for _, rows in classes.values())
    left_out = 0 if trained is None else _leave_out_trained(path, classes, texts, trained)
    if settings.small_classes == "leave_out":
        classes = {name: entry for name, entry in classes.items() if len(entry[1]) >= needed}
        if not classes:
            raise DataError(
                f"{path}: no class has {needed} different texts; lower task.shots or task.queries"
            )
    return replace(_assemble(path, texts, classes, left_out), repeated=repeated)


def split_texts(texts: Texts, settings: Any, by: Literal["classes", "domains"]) -> Splits:
    """Split the classes, or their domains; return the classes of each split.

    Raises:
      DataError: see `split_names`.
    """
    if by == "classes":
        ways = most_ways(settings.ways)  # unset: a task takes what every split has
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
    """Group the rows: class -> its domain and its rows."""
    classes: Classes = {}
    seen: set[tuple[str, str]] = set()
    for row, (text, label, domain) in enumerate(zip(texts, labels, domains, strict=True)):
        if label in settings.leave_out:
            continue
        if not text:
            raise refused(path, row, f"has an empty {settings.text_column!r}")
        first_domain, rows = classes.setdefault(label, (domain, []))
        if first_domain != domain:
            raise DataError(
                f"{path}: row {row} has {label!r} in the domain {domain!r}, row {rows[0]} has it "
                f"in {first_domain!r}; a class belongs to one domain"
            )
        if (label, content := same(text)) not in seen:
            seen.add((label, content))
            rows.append(row)
    return classes


def _leave_out_trained(path: str, classes: Classes, texts: list[str], trained: Texts) -> int:
    """Remove from `classes` the texts that training sees; return their number."""
    seen = {same(text) for text in trained.of_classes()}
    left_out = 0
    for domain, rows in classes.values():
        if domain in trained.domains:
            raise DataError(
                f"{path}: row {rows[0]} is of the domain {domain!r}, which {trained.source} has "
                "too; test domains must be unseen in training: rename one or leave it out"
            )
        new = [row for row in rows if same(texts[row]) not in seen]
        left_out += len(rows) - len(new)
        rows[:] = new
    return left_out


def _assemble(path: str, texts: list[str], classes: Classes, left_out: int) -> Texts:
    names = sorted(classes)
    digest = hashlib.sha256()
    for name in names:
        domain, rows = classes[name]
        for part in (domain, name, *(texts[row] for row in rows)):
            digest.update(part.encode() + b"\x1f")
    return Texts(
        path,
        texts,
        names,
        [classes[name][0] for name in names],
        [np.array(classes[name][1], np.int32) for name in names],
        digest.hexdigest(),
        left_out,
    )
