"""Blocks on Ray actors, one core or GPU each.

Ray's own restarts are off: they loop without an error when a constructor fails. The pool makes a
new actor itself, and a block whose actor died is simply run again: it is a pure function.
"""

import logging
import os
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from orchestrator.blocks import Node, nodes
from orchestrator.failure import Decision, Event, History, decide
from workers.actor import BlockActor
from workers.errors import FingerprintError, MetatrainError, PoolError
from workers.own_packages import refuse_namesakes
from workers.protocol import Block, Contribution, Weights
from workers.runtime import differences
from workers.settings.worker import WorkerSettings

_IN_FLIGHT = 2

# What is larger than Ray's limit goes through its object store, at 1 to 3 ms a piece: where Ray is
# ours, the weights and gradients of a small convolutional network travel with the calls instead.
_INLINE_LIMIT = "RAY_max_direct_call_object_size"
_DEFAULT_INLINE_BYTES = 100 * 1024
_OUR_INLINE_BYTES = 1024 * 1024


@dataclass(eq=False)
class _Actor:
    """What the pool knows of an actor. `starting` is None once it is ready."""

    handle: Any
    starting: Any
    in_flight: dict[Any, Node] = field(default_factory=dict)


class RayPool:
    """A fixed number of actors; a dead one is replaced, within a budget.

    The constructor returns at once, so that actors start while the driver does other work;
    `wait_until_ready` or the first `run` waits for them.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        count: int,
        cpus: float,
        gpus: float,
        max_failures: int,
        verbose: bool = False,
    ):
        """Start Ray, unless it already runs here, and `count` actors.

        Raises:
          ValueError: Ray can never place so many actors, or they could not import metatrain.
        """
        refuse_namesakes(_folders_of_actors())
        self.name = f"{count} Ray actor{'s' if count > 1 else ''}"
        self.replaced = 0
        self._settings, self._gpus, self._budget = settings, gpus, max_failures
        self._reference: dict[str, Any] = {}
        self._owns_ray = not ray.is_initialized()
        if self._owns_ray:
            _start_ray(count * cpus, verbose)
        try:
            _check_resources(count, cpus, gpus)
            self._options = {
                "num_cpus": cpus,
                "num_gpus": gpus,
                "max_restarts": 0,
                "max_task_retries": 0,
            }
            self._actors = [self._start_actor() for _ in range(count)]
        except BaseException:
            self.close()
            raise

    def expect(self, fingerprint: dict[str, Any]) -> None:
        """Refuse actors that differ from `fingerprint`; what it lacks, the first actor sets."""
        self._reference = dict(fingerprint)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What all actors agree on, once they are ready."""
        return dict(self._reference)

    def wait_until_ready(self) -> None:
        """Block until every actor is built. Raises as `run` does."""
        while starting := {a.starting: a for a in self._actors if a.starting is not None}:
            done, _ = ray.wait(list(starting), num_returns=1)
            self._welcome(starting[done[0]], deque())

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """Run all blocks; see `Pool.run`.

        Raises:
          MetatrainError: what a block raised on two actors, or the budget is used up.
        """
        self._forget_dropped_step()
        inline_bytes = int(os.environ.get(_INLINE_LIMIT, _DEFAULT_INLINE_BYTES))
        num_bytes = weights.theta.nbytes + weights.carry.nbytes
        shared = ray.put(weights) if num_bytes > inline_bytes else weights
        pending = deque(nodes(blocks, len(self._actors)))
        num_nodes, done = len(pending), dict[int, Contribution]()
        errors: dict[int, int] = {}
        failed_on: dict[int, _Actor] = {}
        while len(done) < num_nodes:
            self._dispatch(pending, shared, failed_on)
            waiting = {ref: actor for actor in self._actors for ref in actor.in_flight}
            starting = {a.starting: a for a in self._actors if a.starting is not None}
            ready, _ = ray.wait([*waiting, *starting], num_returns=1)
            if ready[0] in starting:
                self._welcome(starting[ready[0]], pending)
                continue
            actor = waiting[ready[0]]
            node = actor.in_flight.pop(ready[0])
            index = node[0].index
            try:
                done[index] = ray.get(ready[0])
            except RayActorError as error:
                pending.appendleft(node)
                self._bury(actor, pending, error)
            except RayTaskError as error:
                errors[index] = errors.get(index, 0) + 1
                self._retry_or_raise(node, errors[index], error)
                failed_on[index] = actor
                pending.append(node)
        return [done[index] for index in sorted(done)]

    def close(self) -> None:
        """Kill the actors, and Ray itself if the pool started it."""
        for actor in getattr(self, "_actors", []):
            ray.kill(actor.handle)
        self._actors = []
        if self._owns_ray:
            ray.shutdown()

    def pids(self) -> list[int]:
        """Process ids of the actors, once ready."""
        return [ray.get(actor.handle.ready.remote())["pid"] for actor in self._actors]

    def _start_actor(self) -> _Actor:
        handle = ray.remote(BlockActor).options(**self._options).remote(self._settings, self._gpus)
        return _Actor(handle, handle.ready.remote())

    def _dispatch(self, pending: deque[Node], weights: Any, failed_on: dict[int, _Actor]) -> None:
        """Give each actor a node to run and one to go on with, fewest in flight first."""
        for node in list(pending):
            free = [
                actor
                for actor in self._actors
                if actor.starting is None and len(actor.in_flight) < _IN_FLIGHT
                if actor is not failed_on.get(node[0].index) or len(self._actors) == 1
            ]
            if free:
                actor = min(free, key=lambda candidate: len(candidate.in_flight))
                pending.remove(node)
                actor.in_flight[actor.handle.run.remote(weights, node)] = node

    def _welcome(self, actor: _Actor, pending: deque[Node]) -> None:
        """Take an actor in that has started, failed to, or would compute other bits."""
        try:
            answer = ray.get(actor.starting)
        except RayActorError as error:
            self._bury(actor, pending, error)
            return
        self._reference = {**answer["fingerprint"], **self._reference}
        wrong = differences(self._reference, answer["fingerprint"])
        if wrong:
            raise FingerprintError(
                f"an actor on {answer['host']} would compute other bits than the driver: "
                f"{'; '.join(wrong)}; use equal machines, software and data"
            )
        actor.starting = None

    def _bury(self, actor: _Actor, pending: deque[Node], error: RayActorError) -> None:
        """Replace a dead actor; its other nodes go back to the front of the queue."""
        self._actors.remove(actor)
        pending.extendleft(actor.in_flight.values())
        history = History(self.replaced, self._budget, user_errors=0)
        refused = error.actor_init_failed
        if decide(Event.ACTOR_REFUSED if refused else Event.ACTOR_DIED, history) is Decision.FAIL:
            if refused:
                raise PoolError(f"an actor could not be made: {_cause(error)}") from error
            raise PoolError(
                f"{self.replaced + 1} actors died, workers.max_failures = {self._budget}; "
                f"the last: {_cause(error)}"
            ) from error
        self.replaced += 1
        self._actors.append(self._start_actor())

    def _retry_or_raise(self, node: Node, user_errors: int, error: RayTaskError) -> None:
        history = History(self.replaced, self._budget, user_errors)
        if decide(Event.USER_ERROR, history) is Decision.RETRY_ELSEWHERE:
            return
        cause = error.cause
        if isinstance(cause, MetatrainError):
            raise cause
        raise PoolError(
            f"tasks {node[0].lo} to {node[-1].hi - 1} of step {node[0].step} failed on two actors: "
            f"{type(cause).__name__}: {cause}"
        ) from error

    def _forget_dropped_step(self) -> None:
        """An interrupted `run` may have left calls behind; their results are not wanted."""
        for actor in self._actors:
            actor.in_flight.clear()


def join_cluster() -> dict[str, float]:
    """Connect to the cluster of RAY_ADDRESS; its resources."""
    if not ray.is_initialized():
        _start_ray(0, verbose=False)
    return dict(ray.cluster_resources())


def _start_ray(num_cpus: float, verbose: bool) -> None:
    """Join the cluster of RAY_ADDRESS, or start one here that lives as long as this process."""
    # Without this, Ray warns of a change in how it hides GPUs from tasks that ask for none.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    cluster = bool(os.environ.get("RAY_ADDRESS"))
    if not cluster:
        os.environ.setdefault(_INLINE_LIMIT, str(_OUR_INLINE_BYTES))
    ray.init(
        address=None if cluster else "local",
        num_cpus=None if cluster else max(int(np.ceil(num_cpus)), 1),
        include_dashboard=None if cluster else False,
        log_to_driver=verbose,
        logging_level=logging.INFO if verbose else logging.ERROR,
    )


def _folders_of_actors() -> list[str]:
    """What Ray puts first on the import path of actors: the working and the script's directory."""
    script = os.path.dirname(os.path.realpath(sys.argv[0]))
    return [os.getcwd(), *([script] if script in sys.path else [])]


def _check_resources(count: int, cpus: float, gpus: float) -> None:
    there = ray.cluster_resources()
    for name, key, each in (("CPU", "workers.cpus", cpus), ("GPU", "workers.gpus", gpus)):
        needed = count * each
        if needed > there.get(name, 0):
            plural = "" if needed == 1 else "s"
            raise ValueError(
                f"workers.count = {count} with {key} = {each:g} needs {needed:g} {name}{plural}, "
                f"but Ray has {there.get(name, 0):g}; lower one of them or add machines"
            )


def _cause(error: RayError) -> str:
    """One line: the exception of a constructor ends Ray's text, other deaths are told first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if "creation task" in lines[0] else lines[0]
