"""Actors whose work is a sleep: what is left of a step's time is what the orchestrator costs."""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import ray
from ray.cluster_utils import Cluster

from orchestrator.aggregate import aggregate
from orchestrator.config import WorkersSettings
from orchestrator.ray_pool import RayPool
from orchestrator.work import leaves
from workers.actor import BlockActor
from workers.protocol import Block, Built, Contribution, Weights

# So many actors share a core: they sleep.
_CPUS = 0.01


class Sleeper(BlockActor):
    """Sleeps for `settings` seconds a block, and gives theta back as the gradient."""

    def build(self, examples: Any) -> Built:
        """Nothing."""
        return Built({}, [])

    def contribution(self, weights: Weights, blocks: Any) -> Contribution:
        """Sleep. No memory is made: what Ray copies is what a contribution weighs."""
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


@contextlib.contextmanager
def nodes(num_nodes: int, object_store_bytes: float = 1e9) -> Iterator[None]:
    """A Ray of so many nodes on this machine; the driver is on the first."""
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
    """A pool of actors that sleep for `work_s` seconds a block, and are ready."""
    workers = WorkersSettings(cpus=_CPUS, reduction=reduction, start_limit_s=900.0)
    pool = RayPool(work_s, count, workers, actor_class=Sleeper)
    try:
        while pool.num_ready < count:
            pool.wait_until_ready()
        yield pool
    finally:
        pool.close()


def weights_of(num_parameters: int, step: int) -> Weights:
    """theta of so many ones, at a step."""
    return Weights(np.ones(num_parameters, np.float32), np.zeros(0, np.float32), step)


def step(pool: RayPool, number: int, num_blocks: int, num_parameters: int) -> tuple[float, float]:
    """An outer step up to the mean outer gradient.

    Returns:
      its seconds, and those that this process computed meanwhile, in all its threads.
    """
    weights = weights_of(num_parameters, number)
    blocks = [Block("train", number, i, i, i + 1, {}) for i in range(num_blocks)]
    began, computed = time.perf_counter(), time.process_time()
    gradient, _, _ = aggregate(pool.run(weights, blocks), num_parameters, 0)
    took, cost = time.perf_counter() - began, time.process_time() - computed
    num_answers = len(leaves(blocks, pool.num_ready))
    assert np.isclose([gradient[0], gradient[-1]], num_answers / num_blocks).all()
    return took, cost


def memory_bytes() -> dict[str, int]:
    """This process': its own now ("RssAnon"), with others ("RssShmem"), and the most in all."""
    wanted = {"RssAnon", "RssShmem", "VmHWM"}
    with open(f"/proc/{os.getpid()}/status") as lines:
        fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) * 1024 for name in wanted}
