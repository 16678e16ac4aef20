"""Actors whose work is a sleep: the rest of a step's time is the cost of the orchestrator."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
from ray.cluster_utils import Cluster

from orchestrator.config.driver_settings import PoolSettings
from orchestrator.outer.aggregate import aggregate
from orchestrator.pool.ray_backend import RayBackend
from orchestrator.pool.ray_pool import RayPool
from orchestrator.pool.work_item import WorkItem, leaves, root_above
from workers.actor import BlockActor
from workers.wire.packing import from_bytes
from workers.wire.protocol import Block, Built, Contribution, Weights

# Small, since many sleeping actors share a core.
_CPUS = 0.01


class Sleeper(BlockActor):
    """An actor that sleeps for `settings` seconds a block, and returns theta as the gradient."""

    def build(self, examples: Any) -> Built:
        """Build nothing."""
        return Built({}, [])

    def contribution(self, weights: Weights, blocks: Any) -> Contribution:
        """Sleep. No memory is allocated: Ray copies as much as a contribution's size."""
        time.sleep(self._settings * len(blocks))
        return Contribution(
            index=blocks[0].index,
            num_tasks=len(blocks),
            gradient=weights.theta,
            carry=weights.carry,
            metrics={"loss": np.float64(1.0)},
            seconds=self._settings * len(blocks),
            num_blocks=len(blocks),
        )


@dataclass(frozen=True)
class Cost:
    """The cost of a step in seconds.

    step_s: from begin to end, by the clock.
    loop_s: CPU seconds of the driver's thread that runs the loop.
    driver_s: CPU seconds of all threads of the driver, Ray's own included.
    """

    step_s: float
    loop_s: float
    driver_s: float


@contextlib.contextmanager
def nodes(num_nodes: int, object_store_bytes: float = 1e9) -> Iterator[None]:
    """Start a Ray of several nodes on this machine, with the driver on the first."""
    options = {"num_cpus": 16, "object_store_memory": int(object_store_bytes)}
    cluster = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
    try:
        for _ in range(num_nodes - 1):
            cluster.add_node(**options)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextlib.contextmanager
def sleeping_pool(count: int, work_s: float, reduction: str = "driver") -> Iterator[RayPool]:
    """Start a pool of actors that sleep for `work_s` seconds a block; wait until all are ready."""
    workers = PoolSettings(cpus=_CPUS, reduction=reduction, start_limit_s=900.0)
    pool = RayPool(work_s, count, workers, actor_class=Sleeper)
    try:
        while pool.num_ready < count:
            pool.wait_until_ready()
        yield pool
    finally:
        pool.close()


def weights_of(num_parameters: int, step: int) -> Weights:
    """Make weights of a step whose theta is all ones."""
    return Weights(np.ones(num_parameters, np.float32), np.zeros(0, np.float32), step)


def blocks_of(step: int, count: int) -> list[Block]:
    """Make blocks of one task each."""
    return [Block("train", step, i, i, i + 1, {}) for i in range(count)]


@contextlib.contextmanager
def _measured(costs: list[Cost]) -> Iterator[None]:
    clocks = (time.perf_counter, time.thread_time, time.process_time)
    began = [clock() for clock in clocks]
    yield
    costs.append(Cost(*(clock() - start for clock, start in zip(clocks, began, strict=True))))


def steps(pool: RayPool, number: int, num_blocks: int, num_parameters: int) -> list[Cost]:
    """Run outer steps up to the mean outer gradient."""
    costs: list[Cost] = []
    expected = len(leaves(blocks_of(0, num_blocks), pool.num_ready)) / num_blocks
    for step in range(number):
        weights, blocks = weights_of(num_parameters, step), blocks_of(step, num_blocks)
        with _measured(costs):
            gradient, _, _ = aggregate(pool.run(weights, blocks), num_parameters, 0)
        assert np.isclose([gradient[0], gradient[-1]], expected).all()
    return costs


def bare_steps(
    count: int, work_s: float, number: int, num_parameters: int, reduction: str = "driver"
) -> list[Cost]:
    """Make the same calls without a pool: send all, and take results as they come."""
    backend = RayBackend(work_s, _CPUS, 0, "bare", Sleeper)
    handles = [backend.start([]) for _ in range(count)]
    ray.get([backend.build(handle, []) for handle in handles])
    step_of = _bare_sum if reduction == "actors" else _bare_step
    costs: list[Cost] = []
    for step in range(number):
        weights, blocks = weights_of(num_parameters, step), blocks_of(step, count)
        with _measured(costs):
            step_of(backend, handles, backend.share(weights), blocks)
    for handle in handles:
        backend.end(handle)
    return costs


def _bare_step(backend: RayBackend, handles: list[Any], weights: Any, blocks: list[Block]) -> None:
    pairs = zip(handles, blocks, strict=True)
    waiting = [backend.run(handle, weights, [block]) for handle, block in pairs]
    while waiting:
        done, waiting = ray.wait(waiting)
        ray.get(done)


def _bare_sum(backend: RayBackend, handles: list[Any], weights: Any, blocks: list[Block]) -> None:
    """Let actors add: each sum is requested once its parts exist."""
    items = leaves(blocks, len(handles))
    root = root_above(items)
    above = _above(root)
    calls = {}
    vectors, answers = {}, {}
    for handle, item in zip(handles, items, strict=True):
        call, vectors[item] = backend.run_and_keep(handle, weights, item.blocks)
        calls[call] = handle, item
    while calls:
        [done], _ = ray.wait(list(calls))
        handle, item = calls.pop(done)
        answers[item] = from_bytes(ray.get(done))
        total = above.get(item)
        if total is not None and all(part in answers for part in total.parts):
            kept, references = zip(
                *((answers[part], vectors.pop(part)) for part in total.parts), strict=True
            )
            call, vectors[total] = backend.add(handle, kept, references, 60.0)
            calls[call] = handle, total
    ray.get(vectors[root])


def _above(item: WorkItem) -> dict[WorkItem, WorkItem]:
    """Map each work item below `item` to the sum of which it is a part."""
    above = {}
    for part in item.parts:
        above |= {part: item, **_above(part)}
    return above


class MemoryPeak:
    """The peak memory of this process within: its own, and shared with others (Ray's store)."""

    def __enter__(self) -> "MemoryPeak":
        self.own_bytes = self.shared_bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            now = memory_bytes()
            self.own_bytes = max(self.own_bytes, now["RssAnon"])
            self.shared_bytes = max(self.shared_bytes, now["RssShmem"])


def memory_bytes() -> dict[str, int]:
    """Return this process's current memory: its own ("RssAnon"), and shared ("RssShmem")."""
    with open(f"/proc/{os.getpid()}/status") as lines:
        fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem")}
