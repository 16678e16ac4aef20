"""Support sets that are kept under an id, until they expire or make room for others."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from orchestrator.serve.limits import Limits

#: What became of an id.
State = Literal["kept", "expired", "evicted", "unknown"]
# Ids of which it is remembered what became of them.
_MOST_REMEMBERED = 10_000


class Found(NamedTuple):
    """What a store has under an id. content: None unless it is kept and was asked for."""

    state: State
    content: bytes | None = None


class Store(Protocol):
    """A store that all replicas share."""

    async def put(self, key: str, content: bytes) -> None:
        """Keep a support set, as the one that was asked last."""

    async def find(self, key: str, with_content: bool) -> Found:
        """Look a support set up, which counts as asking it."""


class SupportStore:
    """The least recently asked support sets go first.

    num_kept, num_bytes: of the support sets.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic):
        """Keep nothing yet. clock: returns seconds."""
        self._limits, self._clock = limits, clock
        self._kept: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._gone: OrderedDict[str, State] = OrderedDict()
        self.num_bytes = 0

    @property
    def num_kept(self) -> int:
        """Support sets."""
        return len(self._kept)

    def put(self, key: str, content: bytes) -> None:
        """See `Store.put`."""
        if key in self._kept:
            self._drop(key)
        self._kept[key] = content, self._clock()
        self._gone.pop(key, None)
        self.num_bytes += len(content)
        self._expire()
        while len(self._kept) > self._limits.kept or self.num_bytes > self._limits.kept_bytes:
            self._forget(next(iter(self._kept)), "evicted")

    def find(self, key: str, with_content: bool) -> Found:
        """See `Store.find`."""
        self._expire()
        if key not in self._kept:
            return Found(self._gone.get(key, "unknown"))
        content, _ = self._kept.pop(key)
        self._kept[key] = content, self._clock()
        return Found("kept", content if with_content else None)

    def _expire(self) -> None:
        """Drop what nobody has asked for too long; the first is the one asked longest ago."""
        before = self._clock() - self._limits.expiry_s
        while self._kept and next(iter(self._kept.values()))[1] < before:
            self._forget(next(iter(self._kept)), "expired")

    def _forget(self, key: str, why: State) -> None:
        self._drop(key)
        self._gone[key] = why
        if len(self._gone) > _MOST_REMEMBERED:
            self._gone.popitem(last=False)

    def _drop(self, key: str) -> None:
        content, _ = self._kept.pop(key)
        self.num_bytes -= len(content)


class LocalStore:
    """A store in this process; see `Store`."""

    def __init__(self, store: SupportStore):
        self._store = store

    async def put(self, key: str, content: bytes) -> None:
        """See `Store.put`."""
        self._store.put(key, content)

    async def find(self, key: str, with_content: bool) -> Found:
        """See `Store.find`."""
        return self._store.find(key, with_content)
