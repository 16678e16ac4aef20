"""Repeated examples: found by their content, and kept apart.

A query must not appear in its task's support set. So a class counts each content once, and of
images and signals no content is on both sides of a task, whatever classes it is in. Two copies of
an image may stand in one support set or one query set. A text that several classes have may be on
both sides of a task of these, and a matching task may offer it as a wrong candidate for itself: it
is counted in a note. A draw without copies is left unchanged: data without copies give the same
tasks, bit for bit, as without this check.
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
    """Return, for each example of [n, ...], the index of the first one with the same bytes."""
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
    """Drop each of `rows` whose content an earlier row has; keep the order."""
    _, places = np.unique(ids[rows], return_index=True)
    return rows[np.sort(places)]


def overlap(support: NDArray[Any], query: NDArray[Any]) -> bool:
    """Return whether a content is of both the support and the query examples."""
    return bool(np.isin(support, query).any())


def choose_apart(
    rng: np.random.Generator, contents: Sequence[NDArray[Any]], numbers: Sequence[int]
) -> list[Rows] | None:
    """Choose so many examples of each part, so that no content occurs twice over all parts.

    Returns:
      int32 [number] for each part, indices into it; None if a part has too few contents that no
      earlier part took.
    """
    taken: set[int] = set()
    chosen: list[Rows] = []
    for part, number in zip(contents, numbers, strict=True):
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
    """Counts of repeated content in a data set, whose examples belong to groups.

    A group is a class or a task.

    repeats: examples whose content an earlier example of the same group has.
    shared: contents that several groups have.
    split: how many of the shared contents are in several splits.
    pairs: some pairs of groups that share a content, by name.
    """

    repeats: int
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
        """Count the copies among the examples of each group.

        Args:
          ids: the content of every example, see `content_ids`.
          rows: the examples of each group. names: of the groups.
          splits: the groups of each split.
        """
        split_of = {int(group): split for split, groups in splits.items() for group in groups}
        contents = [np.unique(ids[members]) for members in rows]
        repeats = sum(map(len, rows)) - sum(map(len, contents))
        owner = np.repeat(np.arange(len(rows)), [len(different) for different in contents])
        joined = np.concatenate(contents) if contents else np.zeros(0, np.int64)
        order = np.argsort(joined, kind="stable")
        joined, owner = joined[order], owner[order]
        starts = np.flatnonzero(np.diff(joined, prepend=-1))
        sharing = [owners.tolist() for owners in np.split(owner, starts[1:]) if len(owners) > 1]
        across = sum(
            len({split_of[group] for group in owners if group in split_of}) > 1
            for owners in sharing
        )
        pairs = dict.fromkeys((owners[0], owners[1]) for owners in sharing)
        named = [f"{names[one]!r} and {names[other]!r}" for one, other in list(pairs)[:_MOST_NAMED]]
        return cls(repeats, len(sharing), across, named)

    @classmethod
    def of_texts(
        cls,
        texts: Sequence[str],
        rows: Sequence[Rows],
        names: Sequence[str],
        splits: Mapping[Any, NDArray[np.int32]],
        repeats: int,
    ) -> Self:
        """Count copies among texts; `repeats` more are left out of `rows` already."""
        first: dict[str, int] = {}
        ids = np.array([first.setdefault(text, i) for i, text in enumerate(texts)], np.int64)
        return replace(cls.count(ids, rows, names, splits), repeats=repeats)

    def notes(
        self, example: str, holder: str, holders: str, remedy: str = "", *, once: bool = True
    ) -> list[str]:
        """Write the notes for users.

        Args:
          example, holder, holders: the words for an example, a group, and several groups.
          remedy: what to do about shared contents.
          once: whether copies are left out, or else only kept apart.
        """
        effect = "each counts once, and none is in support and query of one task"
        if not once:
            effect = "none is in support and query of one task, but two may be in one of them"
        notes = []
        if self.repeats:
            copies = f"{example} is a copy" if self.repeats == 1 else f"{example}s are copies"
            notes.append(f"{self.repeats} {copies} of another of the same {holder}: {effect}")
        if self.shared:
            are = f"{example} is" if self.shared == 1 else f"{example}s are"
            splits = f" ({self.split} in several splits)" if self.split else ""
            notes.append(
                f"{self.shared} {are} in several {holders}{splits}: in "
                f"{', in '.join(self.pairs)}{remedy}"
            )
        return notes
