"""Measurement of time and memory by short runs with the same parts as a real run.

Both functions need a process of their own (child.py), whose peak memory they read at the end.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from orchestrator.config.schema import MetaConfig
from orchestrator.doctor.derivative import Layers, look_at_layers
from orchestrator.doctor.machine import peak_bytes
from orchestrator.evaluate import recipes
from orchestrator.outer.blocks import example_blocks, held_out_blocks, train_blocks
from orchestrator.outer.state import MetaState
from orchestrator.pool.base import Pool
from orchestrator.run.opening import make_run_family
from workers.execution import runtime
from workers.tasks.family import TaskFamily
from workers.wire.errors import MetatrainError
from workers.wire.protocol import Block, Contribution, Weights

Tell = Callable[[str], None]

#: A step that takes longer is not timed as a whole.
LONG_STEP_S = 2.5
_BUDGET_S, _WARM_UP = 5.0, 3


@dataclass(frozen=True, slots=True)
class Local:
    """Measurements in one process, without Ray.

    num_parameters: number of theta's elements.
    theta_bytes: size of theta and the carry.
    num_blocks: blocks of a step.
    start_s: seconds until the model was built.
    first_s: seconds of the first block, which compiles.
    block_s: seconds of a later block.
    held_out_s: seconds of a block of test tasks.
    step_s: seconds of a whole outer step.
    peak_bytes: peak memory of the process.
    in_calls_s: seconds of an outer step where many are done in one call; None: none are.
    """

    num_parameters: int
    theta_bytes: int
    num_blocks: int
    start_s: float
    first_s: float
    block_s: float
    held_out_s: float
    step_s: float
    peak_bytes: int
    in_calls_s: float | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """Measurements on a number of actors.

    slots: actors that the cluster has room for.
    block_s, step_s: seconds of a block, and of a whole outer step.
    start_s: seconds until the actors were ready.
    driver_bytes: peak memory of the driver.
    actor_bytes: largest peak memory of the actors on this machine; 0 if there are none.
    """

    num_actors: int
    slots: int
    block_s: float
    step_s: float
    start_s: float
    driver_bytes: int
    actor_bytes: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """The result of building and timing a configuration in one process.

    layers: the check of the model's layers; None if there is none.
    local: the times and sizes; None if training failed.
    problem: why training failed.
    notes: notes for the user.
    """

    layers: Layers | None
    local: Local | None
    problem: str = ""
    notes: list[str] = field(default_factory=list)


def measure_here(tell: Tell, config: MetaConfig) -> Measurement:
    """Build the model, time it in this process, and check its layers.

    Raises:
      ValueError: a user's model cannot be loaded, or cannot be trained.
    """
    from orchestrator.run.launch import launch

    family = make_run_family(_with(config, 0))
    began = time.perf_counter()
    launched = launch(_with(config, 0), family, {}, say=tell, notify=tell)
    start_s = time.perf_counter() - began
    notes = launched.facts.notes if launched.facts else []
    local, problem = None, ""
    try:
        local = _time_blocks(tell, launched, start_s)
    except MetatrainError as error:
        problem = str(error).splitlines()[0]
    tell("comparing second derivatives with finite differences")
    return Measurement(look_at_layers(config, family), local, problem, notes)


def measure_on_actors(tell: Tell, config: MetaConfig, num_actors: int, long: bool) -> Shared:
    """Time steps on the actors of a local Ray, or of the cluster of RAY_ADDRESS.

    Args:
      long: whether a step of all blocks would take too long; then each actor gets one block.
    Raises:
      ValueError, MetatrainError: the actors do not start, or fail.
    """
    from orchestrator.pool.ray_session import join_cluster
    from orchestrator.run.launch import launch

    config = _with(config, num_actors)
    family = make_run_family(config)
    examples = example_blocks(config, family)
    began = time.perf_counter()
    launched = launch(config, family, {}, examples=examples, say=tell, notify=tell)
    try:
        start_s = time.perf_counter() - began
        tell(f"timing steps on {num_actors} actors")
        pool, state = _Watched(launched.pool), launched.initial_state()
        total = len(train_blocks(config, family, 0))
        num_blocks = min(num_actors, total) if long else total
        step_s = _time_steps(config, family, pool, state, num_blocks)
        block_s = median(pool.block_s[_WARM_UP:] or pool.block_s)
        if long:
            step_s += (-(-total // num_actors) - 1) * block_s
        _run_held_out(config, family, pool, state.weights, 2 * num_actors)
        here = [p.pid for p in launched.pool.places() if p.host == os.uname().nodename]
        return Shared(
            num_actors,
            int(join_cluster().get("CPU", 1) / config.workers.cpus),
            block_s,
            step_s,
            start_s,
            peak_bytes(),
            max((peak_bytes(pid) for pid in here), default=0),
        )
    finally:
        launched.close()


def _time_blocks(tell: Tell, launched: Any, start_s: float) -> Local:
    config, family = launched.config, launched.family
    tell("compiling and timing blocks")
    pool, state = _Watched(launched.pool), launched.initial_state()
    blocks = train_blocks(config, family, 0)
    first_s = _seconds(lambda: pool.run(state.weights, blocks[:1]))
    block_s = _seconds(lambda: pool.run(state.weights, blocks[:1]))
    tell("timing steps")
    long = block_s * len(blocks) > LONG_STEP_S
    step_s = _time_steps(config, family, pool, state, 1 if long else len(blocks))
    if long:
        step_s += (len(blocks) - 1) * block_s
    else:
        block_s = median(pool.block_s[2 + _WARM_UP :] or pool.block_s[1:])
    in_calls_s = _time_calls(config, family, pool, state, step_s)
    tell("timing test tasks")
    held_out_s = _run_held_out(config, family, pool, state.weights, 1)
    _draw(config, family, launched.pool, state.weights)
    size = sum(array.size for array in state.theta)
    return Local(
        num_parameters=size,
        theta_bytes=4 * (size + state.weights.carry.size),
        num_blocks=len(blocks),
        start_s=start_s,
        first_s=first_s,
        block_s=block_s,
        held_out_s=held_out_s,
        step_s=step_s,
        peak_bytes=peak_bytes(),
        in_calls_s=in_calls_s,
    )


class _Watched:
    """A pool that records the mean seconds of its blocks, run by run."""

    def __init__(self, pool: Pool):
        self._pool = pool
        self.block_s = list[float]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """Run blocks on the pool, and record their mean seconds."""
        contributions = self._pool.run(weights, blocks)
        total = sum(contribution.seconds for contribution in contributions)
        self.block_s.append(total / sum(c.num_blocks for c in contributions))
        return contributions


def _time_steps(
    config: MetaConfig,
    family: TaskFamily,
    pool: Any,
    state: MetaState,
    num_blocks: int,
    due: Callable[[int], int] = lambda done: 1,
) -> float:
    """Time outer steps and return their median; hold as much memory as a checkpoint does.

    Args:
      due: see `meta_train`.
    """
    from orchestrator.loop import meta_train
    from orchestrator.outer.update import OuterUpdate
    from orchestrator.storage.arrow_tensors import encode

    num_tasks = min(config.outer.meta_batch_size, num_blocks * config.block_size)
    outer = OuterUpdate(config.outer, state)
    seconds = list[float]()
    began = time.perf_counter()
    for report in meta_train(
        _changed(config, outer={"meta_batch_size": num_tasks}), family, pool, outer, due
    ):
        seconds.append(report.seconds)
        if time.perf_counter() - began > _BUDGET_S:
            break
    saved = outer.state()
    files = (
        encode(saved.theta, saved.names),
        encode([*saved.optimizer.values()], [*saved.optimizer]),
    )
    del files
    return median(seconds[_WARM_UP:] or seconds[1:] or seconds)


def _time_calls(
    config: MetaConfig, family: TaskFamily, pool: Any, state: MetaState, step_s: float
) -> float | None:
    """Time steps as a run does them whose steps are small; return None if they are not."""
    from orchestrator.outer.many_steps import CALL_S

    if step_s > CALL_S:
        return None
    blocks, last = -(-config.outer.meta_batch_size // config.block_size), config.outer.steps
    return _time_steps(config, family, pool, state, blocks, due=lambda done: last - done)


def _run_held_out(
    config: MetaConfig, family: TaskFamily, pool: Pool, weights: Weights, num_blocks: int
) -> float:
    """Run test tasks as after a run; return the seconds of the blocks once compiled."""
    recipe = recipes(config)[0]
    blocks = held_out_blocks(config, family, "test", config.evaluation.tasks, recipe)
    pool.run(weights, blocks[:num_blocks])
    return _seconds(lambda: pool.run(weights, blocks[:num_blocks]))


def _draw(config: MetaConfig, family: TaskFamily, pool: Pool, weights: Weights) -> None:
    """Draw pictures as at the end of a run, for the memory that they take."""
    from orchestrator.reporting.page import page  # noqa: F401
    from orchestrator.reporting.pictures.render import render

    render(config, family, pool, weights, recipes(config)[0])


def _seconds(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _with(config: MetaConfig, num_actors: int) -> MetaConfig:
    """Return the configuration to measure; its layers are checked by the doctor, not refused.

    The algorithm is the costliest of all outer steps.
    """
    gpus = config.workers.gpus if num_actors or runtime.count_gpus() else 0
    changed = _changed(config, workers={"count": num_actors, "gpus": gpus})
    algorithm = config.algorithm.costliest
    return changed.model_copy(update={"model": config.model.trusted(), "algorithm": algorithm})


def _changed(config: MetaConfig, **sections: dict[str, Any]) -> MetaConfig:
    updates = {
        name: getattr(config, name).model_copy(update=changes) for name, changes in sections.items()
    }
    return config.model_copy(update=updates)
