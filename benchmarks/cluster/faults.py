"""Faults to inject into a job that runs on a Ray cluster of several nodes on this machine."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import ray
from ray._private.worker import global_worker
from ray.cluster_utils import Cluster
from ray.core.generated.autoscaler_pb2 import DrainNodeReason

from orchestrator.pool.actor_pool import ActorPool
from orchestrator.run.launch import Launch
from workers.wire.tensors import sha256

# A stopped actor still receives its share of the next step, and dies with it.
_UNTIL_IT_HAS_WORK_S = 0.3
# The log monitor reads for drivers that show what actors print.
_HEAD = {"include_dashboard": False, "include_log_monitor": False}


@contextlib.contextmanager
def cluster(num_nodes: int) -> Iterator[Cluster]:
    """Start nodes of one CPU each, with Ray's default health checks and the driver on the first."""
    nodes = Cluster(initialize_head=True, head_node_args=_node_options(**_HEAD))
    try:
        for _ in range(num_nodes - 1):
            nodes.add_node(**_node_options())
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        yield nodes
    finally:
        ray.shutdown()
        nodes.shutdown()


@dataclass
class Target:
    """The target of a fault: the pool's actors, and their nodes.

    resume: functions that undo faults which must not outlast the job, such as a stopped process.
    struck: id of the node that was struck.
    """

    pool: ActorPool
    nodes: Cluster | None = None
    resume: list[Callable[[], None]] = field(default_factory=list)
    struck: str = ""

    def signal(self, pid: int, number: int) -> None:
        """Send a signal; a stopped process continues after the job."""
        os.kill(pid, number)
        if number == signal.SIGSTOP:
            self.resume.append(lambda: _signal_if_there(pid, signal.SIGCONT))

    def kill_busy(self, pids: list[int]) -> None:
        """SIGKILL processes once they have been sent work."""
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            threading.Timer(_UNTIL_IT_HAS_WORK_S, os.kill, (pid, signal.SIGKILL)).start()

    def worker_node(self) -> tuple[Any, list[int]]:
        """Choose a running node with actors, not the driver's; return it with its actors' pids."""
        assert self.nodes is not None, "this fault needs a cluster"
        actors: dict[str, list[int]] = {}
        for place in self.pool.places():
            actors.setdefault(place.node, []).append(place.pid)
        running = [n for n in self.nodes.worker_nodes if _raylet(n).poll() is None]
        node = next(n for n in running if actors.get(n.node_id))
        self.struck = node.node_id
        return node, actors[node.node_id]

    def declared_dead(self) -> bool:
        """Return whether Ray knows that the struck node is dead."""
        return not any(n["NodeID"] == self.struck and n["Alive"] for n in ray.nodes())


def kill_actor(target: Target) -> None:
    """Kill one actor (SIGKILL) while it works."""
    target.kill_busy(target.pool.pids()[:1])


def kill_all_actors(target: Target) -> None:
    """Kill all actors (SIGKILL) while they work."""
    target.kill_busy(target.pool.pids())


def stop_actor(target: Target) -> None:
    """Stop one actor (SIGSTOP): it never answers, and never fails."""
    target.signal(target.pool.pids()[0], signal.SIGSTOP)


def kill_raylet(target: Target) -> None:
    """Kill a node's raylet (SIGKILL); its actors run, cut off, until Ray declares the node dead."""
    node, _ = target.worker_node()
    target.signal(_raylet(node).pid, signal.SIGKILL)


def stop_raylet(target: Target) -> None:
    """Stop a node's raylet (SIGSTOP); its actors keep running, cut off."""
    node, _ = target.worker_node()
    target.signal(_raylet(node).pid, signal.SIGSTOP)


def kill_node(target: Target) -> None:
    """Kill a node's raylet and actors (SIGKILL), like a machine that loses power."""
    node, pids = target.worker_node()
    for pid in [_raylet(node).pid, *pids]:
        target.signal(pid, signal.SIGKILL)


def freeze_node(target: Target) -> None:
    """Stop a node's raylet and actors (SIGSTOP), like a machine that hangs."""
    node, pids = target.worker_node()
    for pid in [_raylet(node).pid, *pids]:
        target.signal(pid, signal.SIGSTOP)


def add_node(target: Target) -> None:
    """Add a node to the cluster."""
    assert target.nodes is not None, "this fault needs a cluster"
    target.nodes.add_node(**_node_options())


def drain_node(target: Target) -> None:
    """Drain a node: it announces that it will be removed in a minute."""
    node, _ = target.worker_node()
    reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    deadline_ms = int((time.time() + 60) * 1000)
    global_worker.gcs_client.drain_node(node.node_id, reason, "a test", deadline_ms)


#: Name on the command line -> the fault.
ON_ACTORS = {
    "kill-actor": kill_actor,
    "kill-all-actors": kill_all_actors,
    "stop-actor": stop_actor,
}
ON_NODES = {
    "kill-raylet": kill_raylet,
    "stop-raylet": stop_raylet,
    "kill-node": kill_node,
    "freeze-node": freeze_node,
    "add-node": add_node,
    "drain-node": drain_node,
}


@dataclass(frozen=True)
class Outcome:
    """The result of a job.

    sha256: of theta at the end.
    usual_s: median seconds of its steps.
    longest_s: seconds of the longest step after the fault.
    noticed: whether Ray had declared the struck node dead when that step was done; None if no node
      was struck.
    """

    sha256: str
    usual_s: float
    longest_s: float
    noticed: bool | None


def run_job(
    launch: Launch, pool: Any, fault: Callable[[Target], None], at: int, target: Target
) -> Outcome:
    """Train from step 0 to the end, with a fault in step `at` (from 0)."""
    from orchestrator.loop import meta_train
    from orchestrator.outer.update import OuterUpdate

    outer = OuterUpdate(launch.config.outer, launch.initial_state())
    seconds, longest_s = [], 0.0
    noticed = None
    if at == 0:
        fault(target)
    try:
        for report in meta_train(launch.config, launch.family, pool, outer):
            seconds.append(report.seconds)
            if report.step == at:
                fault(target)
            elif report.step > at and report.seconds > longest_s:
                longest_s = report.seconds
                noticed = target.declared_dead() if target.struck else None
    finally:
        for resume in target.resume:
            resume()
    return Outcome(sha256(outer.state().theta), median(seconds), longest_s, noticed)


def _node_options(**more: Any) -> dict[str, Any]:
    return {"num_cpus": 1, "object_store_memory": 200 * 1024**2, **more}


def _raylet(node: Any) -> Any:
    return node.all_processes["raylet"][0].process


def _signal_if_there(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
