"""What a service does with examples: predict at once, keep a support set, ask a kept one."""

import asyncio
from collections.abc import Sequence
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


class Kept(NamedTuple):
    """A support set that is kept. key: its id."""

    key: str
    support: SupportSet


class Service:
    """The requests of one replica.

    model: computes. queue: whose turn it is.
    """

    def __init__(self, model: ServedModel, store: Store, limits: Limits, most_together: int):
        """See `BatchQueue` for `most_together`."""
        self.model, self._store, self._limits = model, store, limits
        self.queue = BatchQueue(limits.waiting, most_together)
        self._cache = AdaptedCache(limits.adapted_bytes)

    async def predict(self, examples: Examples) -> Predictions:
        """Adapt to a support set and predict queries.

        Raises:
          RequestError, ValueError: see `ServedModel.task`. NonFiniteError: it diverged.
        """
        task = await asyncio.to_thread(self.model.task, examples)
        predictions: Predictions = await self.queue.submit(self._predict, task, batch_key(task))
        return predictions

    async def keep(self, examples: Examples) -> Kept:
        """Adapt to a support set, and keep it. Equal support sets have one id.

        Raises as `predict` does.
        """
        if examples.queries is not None:
            raise RequestError(
                422, "the body has a query; POST /predict/ID asks a kept support set"
            )
        support = await asyncio.to_thread(self.model.support_set, examples)
        key = self.model.support_id(support)
        await self._adapt(key, support)
        await self._store.put(key, support.as_bytes())
        return Kept(key, support)

    async def ask(self, key: str, examples: Examples) -> Predictions:
        """Predict queries by a kept support set.

        Raises:
          RequestError: it is not there, or no more; else as `predict`.
        """
        if examples.support is not None or examples.targets is not None:
            raise RequestError(422, f"the body has a support set; {key} has its own, send a query")
        cached = self._cache.get(key)
        found = await self._store.find(key, with_content=cached is None)
        if found.state != "kept":
            self._cache.drop(key)
            raise _gone(key, found.state, self._limits)
        queries = await asyncio.to_thread(self.model.queries, examples)
        if cached is None:
            assert found.content is not None
            support = await asyncio.to_thread(SupportSet.from_bytes, found.content)
            cached = support, await self._adapt(key, support)
        predictions: Predictions = await self.queue.submit(
            _each(self.model.ask), (*cached, queries)
        )
        return predictions

    def close(self) -> None:
        """End the thread that computes."""
        self.queue.close()

    async def _adapt(self, key: str, support: SupportSet) -> Adapted:
        cached = self._cache.get(key)
        if cached is not None:
            return cached[1]
        adapted: Adapted = await self.queue.submit(_each(self.model.adapt), (support,))
        self._cache.put(key, support, adapted)
        return adapted

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
