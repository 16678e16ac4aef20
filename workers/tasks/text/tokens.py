"""Texts as token ids: words, parts of words, or bytes."""

import hashlib
import itertools
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from workers.wire.errors import DataError

Ids = NDArray[np.int32]

_WORD = re.compile(r"\w+|[^\w\s]")
_SIZES = (3, 4, 5)


def words(text: str) -> list[str]:
    """Split a text into lower-cased words, with signs as words of their own."""
    return _WORD.findall(text.lower())


def ngrams(text: str) -> list[str]:
    """List the words, pairs of neighbours, and parts of each word, each once.

    Source of the parts: Bojanowski et al. 2017, arXiv:1607.04606, 3 to 5 characters with < and >
    at a word's ends.
    """
    single = words(text)
    pairs = [f"{left} {right}" for left, right in itertools.pairwise(single)]
    parts = [part for word in single for part in _parts(f"<{word}>")]
    return list(dict.fromkeys([*single, *pairs, *parts]))


def _parts(word: str) -> Iterable[str]:
    for size in _SIZES:
        for start in range(len(word) - size + 1):
            yield word[start : start + size]


_SPLIT = {"words": words, "ngrams": ngrams}


@dataclass(frozen=True, slots=True)
class Tokens:
    """A map from texts to ids: 0 is padding; then the vocabulary; then the buckets; or 1 + a byte.

    kind: "ngrams", "words" or "bytes".
    vocabulary: tokens with an id of their own.
    buckets: ids that the other tokens share, by their hash.
    length: ids of a text.
    """

    kind: str
    vocabulary: list[str]
    buckets: int
    length: int

    @classmethod
    def of(cls, texts: Sequence[str], train: Sequence[str], settings: Any) -> Self:
        """Measure the length of `texts`; take the vocabulary from `train`, the most frequent first.

        Args:
          settings: tokens, vocabulary, buckets, max_tokens.
        """
        kind = settings.tokens
        length = settings.max_tokens or max(len(_split(kind, text)) for text in texts)
        if kind == "bytes":
            return cls(kind, [], 0, length)
        counts = Counter(token for text in train for token in set(_split(kind, text)))
        # A token of a single text says nothing about others: it shares a bucket.
        frequent = [token for token, number in counts.items() if number > 1]
        frequent.sort(key=lambda token: (-counts[token], token))
        return cls(kind, frequent[: settings.vocabulary], settings.buckets, length)

    @property
    def number(self) -> int:
        """The number of possible ids: 0 .. number - 1."""
        return 257 if self.kind == "bytes" else 1 + len(self.vocabulary) + self.buckets

    def encode(self, texts: Mapping[str, str], cut: bool) -> Ids:
        """Encode texts as int32 [texts, length], padded with 0.

        Args:
          texts: name -> text; errors use the names.
          cut: cut off texts that are too long.
        Raises:
          DataError: a text is too long.
        """
        place = {token: 1 + rank for rank, token in enumerate(self.vocabulary)}
        ids = np.zeros((len(texts), self.length), np.int32)
        for row, (name, text) in enumerate(texts.items()):
            tokens = _split(self.kind, text)
            if len(tokens) > self.length and not cut:
                raise DataError(
                    f"{name} has {len(tokens)} {self.kind}, the model takes {self.length}: "
                    f"{text[:40]!r}; raise task.max_tokens, or set task.long_texts=cut"
                )
            for column, token in enumerate(tokens[: self.length]):
                ids[row, column] = self._id(token, place)
        return ids

    def _id(self, token: Any, place: dict[str, int]) -> int:
        if self.kind == "bytes":
            return 1 + int(token)
        if (token_id := place.get(token)) is not None:
            return token_id
        return 1 + len(place) + zlib.crc32(token.encode()) % self.buckets

    @property
    def digest(self) -> str:
        """The sha256 of all fields."""
        return hashlib.sha256(json.dumps(self.as_dict()).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON table."""
        return {
            "kind": self.kind,
            "vocabulary": self.vocabulary,
            "buckets": self.buckets,
            "length": self.length,
        }

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> Self:
        """Build the tokens from the table of `as_dict`."""
        return cls(**table)


def _split(kind: str, text: str) -> Sequence[Any]:
    return text.encode() if kind == "bytes" else _SPLIT[kind](text)
