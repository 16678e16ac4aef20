"""Examples that are there more than once: found by their content, and kept apart.

What a task is asked about must not stand in its support set, so no content is on both sides of a
task, and a class counts each once. A draw that is free of copies is taken as it is: data without
any give the same tasks, bit for bit, as if nobody had looked.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Rows = NDArray[np.int32]

# Longer examples are compared by their hashes.
_SHORT_BYTES = 64
_MOST_NAMED = 3


def content_ids(examples: NDArray[Any]) -> Ids:
    """Of each example [n, ...], the index of the first one with the same bytes."""
    import pyarrow as pa

    if not len(examples):
        return np.zeros(0, np.int64)
    flat = np.ascontiguousarray(examples).reshape(len(examples), -1).view(np.uint8)
    if flat.shape[1] > _SHORT_BYTES:
        hashes = (hashlib.blake2b(row.data, digest_size=16).digest() for row in flat)
        flat = np.frombuffer(b"".join(hashes), np.uint8).reshape(len(flat), 16)
    width = pa.binary(flat.shape[1])
    as_bytes = pa.FixedSizeBinaryArray.from_buffers(width, len(flat), [None, pa.py_buffer(flat)])
    codes = as_bytes.dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    ids: Ids = first[codes].astype(np.int64)
    return ids


def once_each(ids: Ids, rows: Rows) -> Rows:
    """Those of `rows` whose content is not in an earlier one, in their order."""
    _, places = np.unique(ids[rows], return_index=True)
    return rows[np.sort(places)]


def overlap(contents: NDArray[Any], shots: int) -> bool:
    """Whether a content is in the first `shots` of a part [parts, examples], and in the others."""
    return bool(np.isin(contents[..., :shots], contents[..., shots:]).any())


def choose_apart(
    rng: np.random.Generator, contents: Sequence[NDArray[Any]], number: int
) -> list[Rows] | None:
    """Places of `number` contents of each part, of all parts no content twice.

    Returns:
      int32 [number] for each part; None where one has too few that no earlier part took.
    """
    taken: set[int] = set()
    chosen: list[Rows] = []
    for part in contents:
        _, first = np.unique(part, return_index=True)
        left = np.array([i for i in np.sort(first) if int(part[i]) not in taken], np.int32)
        if len(left) < number:
            return None
        places = rng.choice(left, number, replace=False)
        taken |= {int(content) for content in part[places]}
        chosen.append(places)
    return chosen


@dataclass(frozen=True, slots=True)
class Copies:
    """How often content is there again.

    again: examples beyond the first in their class, or task. shared: contents that several have.
    split: of these, in several splits. pairs: some of those that share one, by name.
    """

    again: int
    shared: int
    split: int
    pairs: list[str]

    @classmethod
    def count(
        cls,
        ids: Ids,
        rows: Sequence[Rows],
        names: Sequence[str],
        splits: Mapping[Any, NDArray[np.int32]],
    ) -> Self:
        """Of the examples `rows` of each class; `splits`: the classes of each split."""
        split_of = {int(each): split for split, classes in splits.items() for each in classes}
        contents = [np.unique(ids[own]) for own in rows]
        again = sum(map(len, rows)) - sum(map(len, contents))
        owner = np.repeat(np.arange(len(rows)), [len(own) for own in contents])
        joined = np.concatenate(contents) if contents else np.zeros(0, np.int64)
        order = np.argsort(joined, kind="stable")
        joined, owner = joined[order], owner[order]
        starts = np.flatnonzero(np.diff(joined, prepend=-1))
        groups = [own.tolist() for own in np.split(owner, starts[1:]) if len(own) > 1]
        across = sum(
            len({split_of[each] for each in own if each in split_of}) > 1 for own in groups
        )
        pairs = dict.fromkeys((own[0], own[1]) for own in groups)
        named = [f"{names[one]!r} and {names[other]!r}" for one, other in list(pairs)[:_MOST_NAMED]]
        return cls(again, len(groups), across, named)

    @classmethod
    def of_texts(
        cls,
        texts: Sequence[str],
        rows: Sequence[Rows],
        names: Sequence[str],
        splits: Mapping[Any, NDArray[np.int32]],
        again: int,
    ) -> Self:
        """The same of texts, of which `again` are left out already as their class had them."""
        first: dict[str, int] = {}
        ids = np.array([first.setdefault(text, i) for i, text in enumerate(texts)], np.int64)
        return replace(cls.count(ids, rows, names, splits), again=again)

    def notes(self, example: str, holder: str, holders: str, remedy: str = "") -> list[str]:
        """What people should know. `example`, `holder`, `holders`: what they are called here."""
        notes = []
        if self.again:
            copies = f"{example} is a copy" if self.again == 1 else f"{example}s are copies"
            notes.append(
                f"{self.again} {copies} of another of the same {holder}: each counts once, and "
                "none is in support and query of one task"
            )
        if self.shared:
            are = f"{example} is" if self.shared == 1 else f"{example}s are"
            splits = f" ({self.split} in several splits)" if self.split else ""
            notes.append(
                f"{self.shared} {are} in several {holders}{splits}: in "
                f"{', in '.join(self.pairs)}{remedy}"
            )
        return notes
