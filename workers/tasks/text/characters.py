"""Texts as the tokens of a language model: characters or bytes, and an end token."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from workers.wire.errors import DataError

Ids = NDArray[np.int32]
#: END stands before a text's first token and after its last; UNKNOWN for what has no token.
END, UNKNOWN = 0, 1
_FIRST = 2
_NONE = -1


class Sequences(NamedTuple):
    """The inputs and targets of a language model: each target is the token after its input.

    inputs: int32 [texts, length], END first, and END as padding.
    targets: int32 [texts, length], -1 as padding.
    """

    inputs: Ids
    targets: Ids


@dataclass(frozen=True, slots=True)
class Characters:
    """A vocabulary. Token 0 is a text's end, 1 is unknown, 2 is the first entry of `vocabulary`.

    kind: "characters" or "bytes".
    vocabulary: characters, or bytes as numbers, sorted.
    length: of a sequence, end included.
    ends: whether texts are complete and have an end; else they are cut out of longer ones.
    """

    kind: str
    vocabulary: list[Any]
    length: int
    ends: bool

    @classmethod
    def of(cls, train: Iterable[str], kind: str, length: int, ends: bool) -> Self:
        """Build the vocabulary of the texts `train`."""
        symbols = {symbol for text in train for symbol in _symbols(kind, text)}
        return cls(kind, sorted(symbols), length, ends)

    @property
    def number(self) -> int:
        """The number of tokens."""
        return _FIRST + len(self.vocabulary)

    @property
    def longest(self) -> int:
        """The number of characters, or bytes, of the longest text that fits."""
        return self.length - 1 if self.ends else self.length

    def encode(self, texts: Mapping[str, str], cut: bool) -> Sequences:
        """Encode texts as sequences.

        Args:
          texts: name -> text; errors use the names.
          cut: cut off texts that are too long.
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
            tokens = [*ids, END] if self.ends else ids
            targets[row, : len(tokens)] = tokens[: self.length]
        return Sequences(_shifted(targets), targets)

    def unknown(self, texts: Iterable[str]) -> list[Any]:
        """Return the characters or bytes that are not in the vocabulary, sorted."""
        vocabulary = set(self.vocabulary)
        symbols = {symbol for text in texts for symbol in _symbols(self.kind, text)}
        return sorted(symbols - vocabulary)

    def prefix(self, text: str) -> list[int]:
        """Encode the beginning of a text."""
        place = {symbol: _FIRST + i for i, symbol in enumerate(self.vocabulary)}
        return [place.get(symbol, UNKNOWN) for symbol in _symbols(self.kind, text)]

    def decode(self, ids: Sequence[int]) -> str:
        """Decode tokens up to the end; unknown tokens and invalid UTF-8 become U+FFFD."""
        symbols = []
        for token in ids:
            if token in (END, _NONE):
                break
            symbols.append(self.vocabulary[token - _FIRST] if token >= _FIRST else None)
        if self.kind == "bytes":
            # 0xFF is never a part of UTF-8.
            return bytes(0xFF if b is None else b for b in symbols).decode(errors="replace")
        return "".join("\ufffd" if c is None else c for c in symbols)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON table."""
        return {
            "kind": self.kind,
            "vocabulary": self.vocabulary,
            "length": self.length,
            "ends": self.ends,
        }

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> Self:
        """Build the vocabulary from the table of `as_dict`."""
        return cls(**table)


def _symbols(kind: str, text: str) -> Sequence[Any]:
    return text.encode() if kind == "bytes" else text


def _shifted(targets: Ids) -> Ids:
    """Return the token before each target."""
    inputs = np.full_like(targets, END)
    inputs[:, 1:] = np.maximum(targets[:, :-1], END)
    return inputs
