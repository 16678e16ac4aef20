"""Short runs of the product's own parts, as a long run would use them: their times and memory.

Both functions are for a process of their own (child.py), whose peak memory they read at the end.
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
from workers.execution import runtime
from workers.tasks.family import TaskFamily
from workers.tasks.registry import make_family
from workers.wire.errors import MetatrainError
from workers.wire.protocol import Block, Contribution, Weights

Tell = Callable[[str], None]

#: A step that takes longer is not measured as a whole.
LONG_STEP_S = 2.5
_BUDGET_S, _WARM_UP = 5.0, 3


@dataclass(frozen=True, slots=True)
class Local:
    """In one process, without Ray.

    num_parameters: theta's numbers. theta_bytes: theta's and the carry's. num_blocks: of a step.
    start_s: until the model was there. first_s: of the first block, which compiles; block_s: of
    another; held_out_s: of a block of test tasks; step_s: of a whole outer step. peak_bytes: of
    the process.
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


@dataclass(frozen=True, slots=True)
class Shared:
    """On so many actors.

    slots: actors that there is room for. actor_bytes: the largest peak of those that run on this
    machine; 0 if none does.
    """

    num_actors: int
    slots: int
    block_s: float
    step_s: float
    start_s: float
    driver_bytes: int
    actor_bytes: int


@dataclass(frozen=True, slots=True)
class Examined:
    """What could be had of a configuration in one process; problem: why there are no times."""

    layers: Layers | None
    local: Local | None
    problem: str = ""
    notes: list[str] = field(default_factory=list)


def examine(tell: Tell, config: MetaConfig) -> Examined:
    """Build the model, time it in this process, and look at its layers.

    Raises:
      ValueError: a user's model cannot be had, or cannot be trained.
    """
    from orchestrator.run.launch import launch

    family = make_family(config.task)
    began = time.perf_counter()
    launched = launch(_with(config, 0), family, {}, say=tell, notify=tell)
    start_s = time.perf_counter() - began
    notes = launched.facts.notes if launched.facts else []
    local, problem = None, ""
    try:
        local = _measure_here(tell, launched, start_s)
    except MetatrainError as error:
        problem = str(error).splitlines()[0]
    tell("comparing second derivatives with finite differences")
    return Examined(look_at_layers(config, family), local, problem, notes)


def measure_on_actors(tell: Tell, config: MetaConfig, num_actors: int, long: bool) -> Shared:
    """Time steps on actors of a Ray, or of the cluster of RAY_ADDRESS.

    Args:
      long: a step of all blocks takes too long: each actor gets one block.
    Raises:
      ValueError, MetatrainError: the actors cannot be had, or fail.
    """
    from orchestrator.pool.ray_session import join_cluster
    from orchestrator.run.launch import launch

    config, family = _with(config, num_actors), make_family(config.task)
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


def _measure_here(tell: Tell, launched: Any, start_s: float) -> Local:
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
    )


class _Watched:
    """A pool, and the seconds that its blocks took where they ran: their mean, run by run."""

    def __init__(self, pool: Pool):
        self._pool = pool
        self.block_s = list[float]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """As the pool does."""
        contributions = self._pool.run(weights, blocks)
        total = sum(contribution.seconds for contribution in contributions)
        self.block_s.append(total / sum(c.num_blocks for c in contributions))
        return contributions


def _time_steps(
    config: MetaConfig, family: TaskFamily, pool: Any, state: MetaState, num_blocks: int
) -> float:
    """The median of outer steps of so many blocks; holds what a checkpoint takes of memory."""
    from orchestrator.loop import meta_train
    from orchestrator.outer.update import OuterUpdate
    from orchestrator.storage.arrow_tensors import encode

    num_tasks = min(config.outer.meta_batch_size, num_blocks * config.block_size)
    outer = OuterUpdate(config.outer, state)
    seconds = list[float]()
    began = time.perf_counter()
    for report in meta_train(
        _changed(config, outer={"meta_batch_size": num_tasks}), family, pool, outer
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


def _run_held_out(
    config: MetaConfig, family: TaskFamily, pool: Pool, weights: Weights, num_blocks: int
) -> float:
    """Test tasks as after a run: seconds of so many blocks that are compiled."""
    recipe = recipes(config)[0]
    blocks = held_out_blocks(config, family, "test", config.evaluation.tasks, recipe)
    pool.run(weights, blocks[:num_blocks])
    return _seconds(lambda: pool.run(weights, blocks[:num_blocks]))


def _draw(config: MetaConfig, family: TaskFamily, pool: Pool, weights: Weights) -> None:
    """What a run ends with, for its memory."""
    from orchestrator.reporting.page import page  # noqa: F401
    from orchestrator.reporting.pictures.render import render

    render(config, family, pool, weights, recipes(config)[0])


def _seconds(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _with(config: MetaConfig, num_actors: int) -> MetaConfig:
    """To be measured on so many actors; layers are looked at by the doctor, not refused."""
    gpus = config.workers.gpus if num_actors or runtime.count_gpus() else 0
    changed = _changed(config, workers={"count": num_actors, "gpus": gpus})
    return changed.model_copy(update={"model": config.model.trusted()})


def _changed(config: MetaConfig, **sections: dict[str, Any]) -> MetaConfig:
    updates = {
        name: getattr(config, name).model_copy(update=changes) for name, changes in sections.items()
    }
    return config.model_copy(update=updates)
