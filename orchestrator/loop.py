"""The meta-training loop. A newcomer starts here.

    sample tasks -> blocks -> pool -> contributions -> mean outer gradient -> outer update

It is a generator that yields after each outer step; checkpoints, progress, validation, early
stopping and sweeps are what its consumer does between two steps.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from orchestrator.config.schema import MetaConfig
from orchestrator.outer.aggregate import aggregate
from orchestrator.outer.blocks import train_blocks
from orchestrator.outer.skipped import SkipBudget
from orchestrator.outer.trust_region import Round, RoundResult
from orchestrator.outer.update import OuterUpdate
from orchestrator.pool.base import Pool
from workers.tasks.family import TaskFamily
from workers.wire.errors import NonFiniteError
from workers.wire.protocol import Block, Weights
from workers.wire.tensors import all_finite


@dataclass(frozen=True, slots=True)
class StepReport:
    """The report of an outer step that is done.

    step: outer steps done, from 1.
    metrics: means over the step's tasks: loss_before, loss_after and the family's own.
    tasks: number of tasks of the step.
    skipped_tasks: tasks of the step that are neither in the metrics nor in the gradient.
    seconds: wall-clock time of the step.
    """

    step: int
    metrics: dict[str, float]
    tasks: int
    skipped_tasks: int
    seconds: float


def meta_train(
    config: MetaConfig, family: TaskFamily, pool: Pool, outer: OuterUpdate
) -> Iterator[StepReport]:
    """Run outer steps until `config.outer.steps` are done.

    Args:
      config: the run's configuration.
      family: the task family. pool: runs the blocks.
      outer: theta and the outer optimizer; between two steps its `state()` is all that a resumed
        run needs.
    Raises:
      MetatrainError: see `pool.run`, `SkipBudget` and `aggregate`; theta is that of the last
        complete step.
    """
    weights, last = outer.weights, config.outer.steps - 1
    budget = SkipBudget(config.algorithm.inner_lr)
    with ThreadPoolExecutor(1, "sampler") as sampler:
        ahead = sampler.submit(train_blocks, config, family, outer.step)
        for step in range(outer.step, config.outer.steps):
            started = time.perf_counter()
            blocks = ahead.result()
            if step < last:  # sampled while the pool works
                ahead = sampler.submit(train_blocks, config, family, step + 1)
            contributions = pool.run(weights, blocks)
            skipped = sum(c.num_skipped for c in contributions)
            budget.spend(step, skipped, config.outer.meta_batch_size)
            gradient, carry, metrics = aggregate(
                contributions, weights.theta.size, weights.carry.size
            )
            reduce = partial(_run_round, pool, weights, blocks)
            metrics |= outer.update(RoundResult(gradient, metrics), carry, reduce)
            weights = outer.weights
            if not all_finite(weights.theta):
                raise NonFiniteError(
                    f"step {step}: the outer update made weights that are not finite, from a "
                    f"finite gradient; {_remedy(config, skipped)}"
                )
            yield StepReport(
                step=step + 1,
                metrics=metrics,
                tasks=config.outer.meta_batch_size,
                skipped_tasks=skipped,
                seconds=time.perf_counter() - started,
            )


def _remedy(config: MetaConfig, skipped: int) -> str:
    """Return what to try. Skipped tasks hint at an inner rate that is too high for all of them."""
    outer = "lower outer.lr or set outer.clip_norm"
    if not skipped:
        return outer
    rate = config.algorithm.inner_lr
    return f"it left out {skipped} tasks: lower algorithm.inner_lr = {rate:g} first, then {outer}"


def _run_round(pool: Pool, drawn: Weights, blocks: Sequence[Block], wanted: Round) -> RoundResult:
    """Run a further round over the tasks of a step that were sampled at the weights `drawn`."""
    round_blocks = [replace(block, round=wanted.name) for block in blocks]
    weights = drawn._replace(now=wanted.now, argument=wanted.argument)
    contributions = pool.run(weights, round_blocks)
    vector, _, metrics = aggregate(contributions, drawn.theta.size, drawn.carry.size)
    return RoundResult(vector, metrics)
