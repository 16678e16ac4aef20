"""The launch of what a run needs: TensorFlow and a pool of the right kind."""

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.config.actor_count import CountRange
from orchestrator.config.schema import MetaConfig
from orchestrator.outer.blocks import train_blocks
from orchestrator.outer.state import MetaState
from orchestrator.pool.base import InProcessPool, Pool
from orchestrator.pool.ray_running import ray_is_running
from orchestrator.run.trained_with import check_same_bits
from orchestrator.run.user_functions import check_functions
from workers.execution import isa, runtime
from workers.execution.fingerprint import fingerprint as fingerprint_here
from workers.losses.registry import loss_of
from workers.tasks.family import TaskFamily, digests_of
from workers.wire.protocol import Block

if TYPE_CHECKING:  # imports TensorFlow, before which the runtime must be set
    from workers.block import BlockRunner
    from workers.model_checks.user_model import ModelFacts

# What an outer step over two actors costs in addition to the work itself, and what starting them
# costs (measured; benchmarks/RESULTS.md).
_RAY_STEP_S = 0.004
_RAY_START_S = 15.0

Say = Callable[[str], None]


@dataclass
class Launch:
    """A task family and the pool that runs its blocks.

    config: the run's configuration.
    family: the task family. pool: the pool.
    why: why this pool was chosen, for the user.
    fingerprint: what decides bits on these machines; see `workers.execution.fingerprint`.
    facts: facts about a user's model; None for models of metatrain.
    """

    config: MetaConfig
    family: TaskFamily
    pool: Pool
    why: str
    fingerprint: dict[str, Any] = field(default_factory=dict)
    facts: "ModelFacts | None" = None

    def initial_state(self) -> MetaState:
        """Return the state of step 0, with theta drawn from the seed."""
        from workers.meta_parameters import initial

        start = initial(self.config.worker, self.family)
        carry = dict(zip(start.carry_names, start.carry, strict=True))
        return MetaState(0, start.theta, start.names, carry)

    @property
    def normalizations(self) -> list[str]:
        """The kinds of normalization in the model: "batch", "layer", "group"."""
        configured = self.config.model.normalizations
        if configured is None:
            return self.facts.normalizations if self.facts else []
        return configured

    @property
    def transductive(self) -> bool:
        """Whether the answer to a query depends on the other queries of its task."""
        configured = self.config.model.transductive
        return bool(self.facts and self.facts.mixes) if configured is None else configured

    def close(self) -> None:
        """Close the pool."""
        self.pool.close()


def launch(
    config: MetaConfig,
    family: TaskFamily,
    reference: dict[str, Any],
    *,
    examples: Sequence[Block] = (),
    say: Say = print,
    notify: Say = print,
    verbose: bool = False,
    make_runner: "Callable[[MetaConfig, TaskFamily], BlockRunner] | None" = None,
    probed: bool = True,
) -> Launch:
    """Start TensorFlow here, and Ray if the configuration asks for it or it will be faster.

    Args:
      reference: the fingerprint of the run that is resumed; empty for a new one.
      examples: blocks that actors compile before they are ready.
      say: takes a line for the user about what is being waited for.
      notify: takes a line for the user about each fault that the pool recovers from, and about
        what could not be checked.
      verbose: print the messages of TensorFlow and Ray.
      make_runner: returns the runner of a pool in this process; None: a new one.
      probed: whether the fingerprint has probes also where this process computes all.
    Raises:
      ValueError: a user's model, loss or metric cannot be used with this configuration, or the
        tasks do not suit the algorithm.
      RestartNeededError: this process was started for other instructions than runtime.isa.
      FingerprintError: this machine would not continue with the same bits.
      PoolError: Ray cannot place the actors.
    """
    isa.require(config.runtime.isa)
    config.algorithm.check_family(family)
    demand = actor_demand(config)
    count = demand.count
    in_process_gpus = config.workers.gpus if count == 0 else 0
    pool: Any = None
    facts = check_functions(config, family, in_process_gpus, verbose, say, notify)

    def start_actors(number: int) -> Any:
        say(f"starting Ray and {number} actor{'s' if number > 1 else ''}")
        return _ray_pool(config, number, demand, examples, notify, verbose)

    if count:
        pool = start_actors(count)
    try:
        say("starting TensorFlow")
        runtime.start_tensorflow(in_process_gpus, verbose)
        digests = family.digest, facts.digest if facts else "", loss_of(family).digest()
        fingerprint = fingerprint_here(*digests, digests_of(family), probed or count != 0)
        check_same_bits(_without_gpus(reference), _without_gpus(fingerprint))
        why = "as many as there is room and work for" if demand.elastic else "as configured"
        if count is None:
            pool, why = _choose(config, family, say, start_actors)
        elif count == 0:
            pool = InProcessPool((make_runner or _runner)(config, family))
        if not isinstance(pool, InProcessPool):
            say(f"waiting for {pool.name} to build the model")
            # The driver uses no GPU; if actors use GPUs, theirs must be equal.
            pool.expect(_without_gpus(fingerprint) if config.workers.gpus else fingerprint)
            pool.wait_until_ready()
            fingerprint = pool.fingerprint
        check_same_bits(reference, fingerprint)
        return Launch(config, family, pool, why, fingerprint, facts)
    except BaseException:
        if pool is not None:
            pool.close()
        raise


@dataclass(frozen=True, slots=True)
class ActorDemand:
    """The number of actors that a run needs.

    count: actors to start; None if a measurement decides.
    least: actors with which the run begins; None: all.
    elastic: whether more are started where machines join.
    """

    count: int | None
    least: int | None = None
    elastic: bool = False


def actor_demand(config: MetaConfig) -> ActorDemand:
    """Return the actors that workers.count asks for.

    Unless it is a number, they are never more than a step has blocks.
    """
    count, most = config.workers.count, _num_blocks(config)
    if isinstance(count, CountRange):
        return ActorDemand(max(count.min, min(count.max, most)), count.min)
    if count != "auto":
        return ActorDemand(count)
    if os.environ.get("RAY_ADDRESS"):
        return ActorDemand(max(1, min(_cluster_slots(config), most)), elastic=True)
    if config.workers.gpus and ray_is_running():
        return ActorDemand(max(1, _cluster_slots(config)))
    if config.workers.gpus:
        return ActorDemand(max(1, int(runtime.count_gpus() / config.workers.gpus)))
    return ActorDemand(None)


def _num_blocks(config: MetaConfig) -> int:
    return -(-config.outer.meta_batch_size // config.block_size)


def worthwhile_actors(
    step_s: float, num_blocks: int, slots: int, num_steps: int
) -> tuple[int, str]:
    """Return how many actors save more time than they cost.

    Args:
      step_s: seconds that the blocks of an outer step take one after another.
      num_blocks: blocks of a step.
      slots: actors that fit here.
      num_steps: outer steps of the run.
    Returns:
      their number, 0 for none, and the reason for the user.
    """
    took = f"a step takes {_milliseconds(step_s)} here"
    if num_blocks == 1:
        return 0, f"{took}, in a single block"
    count = min(slots, num_blocks)
    if count < 2:
        return 0, f"{took}, and there is room for one actor only"
    shared_s = step_s * math.ceil(num_blocks / count) / num_blocks + _RAY_STEP_S
    if shared_s >= step_s:
        return 0, f"{took}, and sharing it would take longer"
    if (step_s - shared_s) * num_steps < _RAY_START_S:
        return (
            0,
            f"{took}, and sharing {num_steps} steps would save less time than Ray takes to start",
        )
    return count, f"{took}, long enough to share"


def _choose(
    config: MetaConfig, family: TaskFamily, say: Say, start_actors: Callable[[int], Pool]
) -> tuple[Pool, str]:
    """Choose a pool by the time of a step here; the bits are the same in either pool."""
    say("measuring a step")
    local = InProcessPool(_runner(config, family))
    state = Launch(config, family, local, "").initial_state()
    count, why = worthwhile_actors(
        step_s=_time_a_step(config, family, local, state),
        num_blocks=_num_blocks(config),
        slots=_cluster_slots(config)
        if ray_is_running()
        else int(len(os.sched_getaffinity(0)) / config.workers.cpus),
        num_steps=config.outer.steps,
    )
    if not count:
        return local, why
    return start_actors(count), why


def _time_a_step(config: MetaConfig, family: TaskFamily, pool: Pool, state: MetaState) -> float:
    weights, blocks = state.weights, train_blocks(config, family, 0)
    pool.run(weights, blocks[:1])
    started = time.perf_counter()
    pool.run(weights, blocks[:1])
    return (time.perf_counter() - started) * len(blocks)


def _runner(config: MetaConfig, family: TaskFamily) -> "BlockRunner":
    from workers.block import BlockRunner

    return BlockRunner(config.worker, family)


def _ray_pool(
    config: MetaConfig,
    count: int,
    demand: ActorDemand,
    examples: Sequence[Block],
    notify: Say,
    verbose: bool,
) -> Any:
    from orchestrator.pool.ray_pool import RayPool

    return RayPool(
        config.worker,
        count,
        config.workers,
        name=config.name,
        least=demand.least,
        elastic=demand.elastic,
        examples=examples,
        notify=notify,
        verbose=verbose,
    )


def _cluster_slots(config: MetaConfig) -> int:
    from orchestrator.pool.ray_session import join_cluster

    resources = join_cluster()
    slots = resources.get("CPU", 1) / config.workers.cpus
    if config.workers.gpus:
        slots = min(slots, resources.get("GPU", 0) / config.workers.gpus)
    return int(slots)


def _without_gpus(fingerprint: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fingerprint.items() if name != "gpus"}


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2g} ms" if seconds < 0.1 else f"{seconds:.2g} s"
