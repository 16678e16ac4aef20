"""A queue of requests for one thread that computes; equal ones are computed as a block."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from orchestrator.serve.array_sizes import sizes_of
from orchestrator.serve.request_error import RequestError
from workers.wire.protocol import Array

#: Computes several items, and returns a result for each.
Compute = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(eq=False, slots=True)
class _Job:
    """A job that waits.

    key: of jobs that may be one block; None: alone. sizes: id -> bytes of the arrays that it holds.
    """

    compute: Compute
    item: Any
    key: Hashable | None
    sizes: Mapping[int, int]
    result: "asyncio.Future[Any]" = field(default_factory=asyncio.Future)


class BatchQueue:
    """First come, first served, with those behind that fit into the same block.

    Blocks have 1, 2, 4, ... items, so that few sizes are traced. What waits while a block is
    computed is the next block: nothing waits for others to come.

    num_waiting: jobs that are not computed yet.
    """

    def __init__(self, most_waiting: int, most_together: int, most_bytes: int):
        """Start no thread yet.

        Args:
          most_waiting: jobs above which new ones are refused.
          most_together: items of a block, >= 1.
          most_bytes: of the arrays of all jobs that wait, above which new ones are refused. A
            single job may be larger.
        """
        self._most_waiting, self._most_together = most_waiting, most_together
        self._most_bytes = most_bytes
        self._jobs: deque[_Job] = deque()
        self._thread = ThreadPoolExecutor(1, "compute")
        self._draining: asyncio.Task[None] | None = None

    @property
    def num_waiting(self) -> int:
        """Jobs that wait."""
        return len(self._jobs)

    @property
    def num_bytes(self) -> int:
        """The bytes of the arrays of jobs that wait, those that several hold once."""
        return _num_bytes(self._jobs)

    async def submit(
        self,
        compute: Compute,
        item: Any,
        key: Hashable | None = None,
        holds: Iterable[Array] = (),
    ) -> Any:
        """Compute an item, maybe with others of the same key, and return its result.

        Args:
          holds: the arrays that it keeps in memory until it is computed.
        Raises:
          RequestError: too many wait, or too large ones. What `compute` raised, or its result if
            this is an exception.
        """
        if len(self._jobs) >= self._most_waiting:
            raise RequestError(
                503,
                f"{len(self._jobs)} requests wait, the most that may; try again in a second",
                {"Retry-After": "1"},
            )
        job = _Job(compute, item, key, sizes_of(holds))
        if self._jobs and _num_bytes([*self._jobs, job]) > self._most_bytes:
            raise RequestError(
                503,
                f"the requests that wait hold {self.num_bytes / 2**20:.3g} MiB, and with this one "
                f"more than the {self._most_bytes / 2**20:g} that may; try again in a second",
                {"Retry-After": "1"},
            )
        self._jobs.append(job)
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return await job.result

    def close(self) -> None:
        """End the thread when it has computed what it computes."""
        self._thread.shutdown(wait=False)

    async def _drain(self) -> None:
        try:
            while batch := self._next():
                await self._run(batch)
        finally:
            self._draining = None

    def _next(self) -> list[_Job]:
        """Take the next block; jobs whose client has gone are dropped."""
        self._jobs = deque(job for job in self._jobs if not job.result.done())
        if not self._jobs:
            return []
        first = self._jobs[0]
        alike = [first]
        if first.key is not None:
            alike = [job for job in self._jobs if job.key == first.key][: self._most_together]
        batch = alike[: 1 << (len(alike).bit_length() - 1)]
        taken = set(map(id, batch))
        self._jobs = deque(job for job in self._jobs if id(job) not in taken)
        return batch

    async def _run(self, batch: Sequence[_Job]) -> None:
        loop = asyncio.get_running_loop()
        items = [job.item for job in batch]
        try:
            results = await loop.run_in_executor(self._thread, batch[0].compute, items)
        except Exception as error:
            if len(batch) > 1:  # whose fault it is shows when each is alone
                for job in batch:
                    await self._run([job])
                return
            results = [error] * len(batch)
        for job, result in zip(batch, results, strict=True):
            if job.result.done():
                continue
            if isinstance(result, Exception):
                job.result.set_exception(result)
            else:
                job.result.set_result(result)


def _num_bytes(jobs: Iterable[_Job]) -> int:
    sizes: dict[int, int] = {}
    for job in jobs:
        sizes.update(job.sizes)
    return sum(sizes.values())
