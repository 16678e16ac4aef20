"""What a service does with examples: predict at once, keep a support set, ask a kept one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from orchestrator.adaptation.predictions import Predictions
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.serve.adapted_cache import AdaptedCache
from orchestrator.serve.batch_queue import BatchQueue
from orchestrator.serve.examples import Examples
from orchestrator.serve.limits import Limits
from orchestrator.serve.request_error import RequestError
from orchestrator.serve.served_model import ServedModel, SupportSet, batch_key
from orchestrator.serve.support_store import Store
from workers.wire.errors import NonFiniteError
from workers.wire.protocol import Adapted

_NO_KEY = 404
_GONE = 410


#: Reads the examples of a request, which are in memory only while it is their turn.
Read = Callable[[], Awaitable[Examples]]


class Kept(NamedTuple):
    """A support set that is kept. key: its id."""

    key: str
    support: SupportSet


class Answer(NamedTuple):
    """Predictions for queries. names: of the queries; None: their numbers."""

    predictions: Predictions
    names: Sequence[str] | None


class Service:
    """The requests of one replica. All methods take a function that reads the examples.

    model: computes. queue: whose turn it is.
    """

    def __init__(self, model: ServedModel, store: Store, limits: Limits, most_together: int):
        """See `BatchQueue` for `most_together`."""
        self.model, self._store, self._limits = model, store, limits
        self.queue = BatchQueue(limits.waiting, most_together, limits.waiting_bytes)
        self._cache = AdaptedCache(limits.adapted_bytes)
        self._converting = asyncio.Semaphore(limits.conversions)

    async def predict(self, read: Read) -> Answer:
        """Adapt to a support set and predict queries.

        Raises:
          RequestError, ValueError: see `ServedModel.task`. NonFiniteError: it diverged.
        """
        async with self._converting:
            examples = await read()
            names = examples.names
            task = await asyncio.to_thread(self.model.task, examples)
            del examples
        arrays = (task.support_inputs, task.support_targets, task.query_inputs)
        return Answer(await self.queue.submit(self._predict, task, batch_key(task), arrays), names)

    async def keep(self, read: Read) -> Kept:
        """Adapt to a support set, and keep it. Equal support sets have one id.

        Raises:
          RequestError: it is larger than all that may be kept; else as `predict`.
        """
        async with self._converting:
            examples = await read()
            if examples.queries is not None:
                raise RequestError(
                    422, "the body has a query; POST /predict/ID asks a kept support set"
                )
            support = await asyncio.to_thread(self.model.support_set, examples)
            del examples
            key = await asyncio.to_thread(self.model.support_id, support)
            self._check_fits(len(await asyncio.to_thread(support.as_bytes)))
        await self._adapt(key, support)
        await self._store.put(key, await asyncio.to_thread(support.as_bytes))
        return Kept(key, support)

    async def ask(self, key: str, read: Read) -> Answer:
        """Predict queries by a kept support set.

        Raises:
          RequestError: it is not there, or no more; else as `predict`.
        """
        async with self._converting:
            examples = await read()
            if examples.support is not None or examples.targets is not None:
                raise RequestError(
                    422, f"the body has a support set; {key} has its own, send a query"
                )
            support = await self._kept(key)
            names = examples.names
            queries = await asyncio.to_thread(self.model.queries, examples)
            del examples
        support, adapted = await self._adapt(key, support)
        predictions = await self.queue.submit(
            _each(self.model.ask),
            (support, adapted, queries),
            holds=(*support.arrays, *adapted, queries),
        )
        return Answer(predictions, names)

    def close(self) -> None:
        """End the thread that computes."""
        self.queue.close()

    async def _kept(self, key: str) -> SupportSet:
        """Return a support set that is kept. Raises RequestError: it is not."""
        cached = self._cache.get(key)
        found = await self._store.find(key, with_content=cached is None)
        if found.state != "kept":
            self._cache.drop(key)
            raise _gone(key, found.state, self._limits)
        if cached is not None:
            return cached[0]
        assert found.content is not None
        return await asyncio.to_thread(SupportSet.from_bytes, found.content)

    async def _adapt(self, key: str, support: SupportSet) -> tuple[SupportSet, Adapted]:
        """Return the weights that are adapted to a support set, and the copy of it that is kept."""
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        adapted: Adapted = await self.queue.submit(
            _each(self.model.adapt), (support,), holds=support.arrays
        )
        self._cache.put(key, support, adapted)
        return support, adapted

    def _check_fits(self, num_bytes: int) -> None:
        most = self._limits.kept_bytes
        if num_bytes > most:
            raise RequestError(
                413,
                f"the support set takes {num_bytes / 2**20:.3g} MiB, all that are kept may take "
                f"{most / 2**20:g}; send fewer or smaller examples, or POST /predict",
            )

    def _predict(self, tasks: Sequence[UserTask]) -> list[Predictions | Exception]:
        diverged = NonFiniteError("the inner loop diverged")
        return [predictions or diverged for predictions in self.model.predict(tasks)]


def _each(function: Any) -> Any:
    """Return a function of several tuples of arguments, which calls `function` with each."""
    return lambda items: [function(*item) for item in items]


def _gone(key: str, state: str, limits: Limits) -> RequestError:
    again = "POST /adapt its support set again"
    if state == "expired":
        return RequestError(
            _GONE, f"{key} was not asked for {limits.expiry_s:g} s and is dropped; {again}"
        )
    if state == "evicted":
        return RequestError(
            _GONE,
            f"{key} made room for others (the limits are {limits.kept} support sets, "
            f"{limits.kept_bytes / 2**20:g} MiB); {again}",
        )
    return RequestError(_NO_KEY, f"there is no support set {key}; {again}")
