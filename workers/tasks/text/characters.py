"""Texts as the tokens of a language model: characters or bytes, and an end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from workers.wire.errors import DataError

Ids = NDArray[np.int32]
#: The token before a text's first one, and after its last one; and what the vocabulary has not.
END, UNKNOWN = 0, 1
_FIRST = 2
_NONE = -1


class Sequences(NamedTuple):
    """What a model reads and what it has to say: token for token, the one that comes next.

    inputs: int32 [texts, length], END first, and END where nothing is left.
    targets: int32 [texts, length], -1 where nothing is left.
    """

    inputs: Ids
    targets: Ids


@dataclass(frozen=True, slots=True)
class Characters:
    """A vocabulary. Token 0 is a text's end, 1 what is not in `vocabulary`, 2 its first entry.

    kind: "characters" or "bytes". vocabulary: characters, or bytes as numbers, sorted. length: of
    a sequence, with its end. ends: whether texts end where they end, or are cut out of longer ones.
    """

    kind: str
    vocabulary: list[Any]
    length: int
    ends: bool

    @classmethod
    def of(cls, train: Iterable[str], kind: str, length: int, ends: bool) -> Self:
        """The vocabulary of the texts `train`."""
        symbols = {symbol for text in train for symbol in _symbols(kind, text)}
        return cls(kind, sorted(symbols), length, ends)

    @property
    def number(self) -> int:
        """Tokens that there are."""
        return _FIRST + len(self.vocabulary)

    @property
    def longest(self) -> int:
        """Characters, or bytes, of the longest text that fits with its end."""
        return self.length - 1 if self.ends else self.length

    def encode(self, texts: Mapping[str, str], cut: bool) -> Sequences:
        """The texts as sequences.

        Args:
          texts: by what they are called, for the error.
          cut: leave out the end of what is too long.
        Raises:
          DataError: a text is too long.
        """
        place = {symbol: _FIRST + i for i, symbol in enumerate(self.vocabulary)}
        targets = np.full((len(texts), self.length), _NONE, np.int32)
        for row, (name, text) in enumerate(texts.items()):
            ids = [place.get(symbol, UNKNOWN) for symbol in _symbols(self.kind, text)]
            if len(ids) > self.longest and not cut:
                raise DataError(
                    f"{name} has {len(ids)} {self.kind}, the model takes {self.longest}: "
                    f"{text[:40]!r}; raise task.length, or set task.long_texts=cut"
                )
            said = [*ids, END] if self.ends else ids
            targets[row, : len(said)] = said[: self.length]
        return Sequences(_shifted(targets), targets)

    def unknown(self, texts: Iterable[str]) -> list[Any]:
        """What the vocabulary has not, sorted."""
        known = set(self.vocabulary)
        return sorted({each for text in texts for each in _symbols(self.kind, text)} - known)

    def prefix(self, text: str) -> list[int]:
        """Tokens of the beginning of a text."""
        place = {symbol: _FIRST + i for i, symbol in enumerate(self.vocabulary)}
        return [place.get(symbol, UNKNOWN) for symbol in _symbols(self.kind, text)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text, up to its end; what is unknown, or no UTF-8, is U+FFFD."""
        said = []
        for each in ids:
            if each in (END, _NONE):
                break
            said.append(self.vocabulary[each - _FIRST] if each >= _FIRST else None)
        if self.kind == "bytes":
            # 0xFF is never a part of UTF-8.
            return bytes(0xFF if b is None else b for b in said).decode(errors="replace")
        return "".join("\ufffd" if c is None else c for c in said)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind,
            "vocabulary": self.vocabulary,
            "length": self.length,
            "ends": self.ends,
        }

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> Self:
        """Inverse of `as_dict`."""
        return cls(**table)


def _symbols(kind: str, text: str) -> Sequence[Any]:
    return text.encode() if kind == "bytes" else text


def _shifted(targets: Ids) -> Ids:
    """What stands before each target."""
    inputs = np.full_like(targets, END)
    inputs[:, 1:] = np.maximum(targets[:, :-1], END)
    return inputs
