"""The meta-training loop. A newcomer starts here.

    sample tasks -> blocks -> pool -> contributions -> mean outer gradient -> outer update

It is a generator that yields after each outer step; checkpoints, progress, validation, early
stopping and sweeps are what its consumer does between two steps.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.config.schema import MetaConfig
from orchestrator.outer.aggregate import aggregate
from orchestrator.outer.blocks import train_blocks
from orchestrator.outer.many_steps import StepsDone, many_steps
from orchestrator.outer.rounds import Round, RoundResult
from orchestrator.outer.skipped import SkipBudget
from orchestrator.outer.update import OuterUpdate
from orchestrator.pool.base import Pool
from workers.tasks.family import TaskFamily
from workers.wire.errors import NonFiniteError
from workers.wire.protocol import Block, Weights
from workers.wire.tensors import all_finite

if TYPE_CHECKING:
    from workers.block import BlockRunner


@dataclass(frozen=True, slots=True)
class StepReport:
    """The report of an outer step that is done.

    step: outer steps done, from 1.
    metrics: means over the step's tasks: loss_before, loss_after and the family's own.
    tasks: number of tasks of the step.
    skipped_tasks: tasks of the step that are neither in the metrics nor in the gradient.
    seconds: wall-clock time of the step.
    settled: whether theta is that of this step; not if more steps were done in the same call.
    """

    step: int
    metrics: dict[str, float]
    tasks: int
    skipped_tasks: int
    seconds: float
    settled: bool = True


def meta_train(
    config: MetaConfig,
    family: TaskFamily,
    pool: Pool,
    outer: OuterUpdate,
    due: Callable[[int], int] = lambda done: 0,
) -> Iterator[StepReport]:
    """Run outer steps until `config.outer.steps` are done.

    Args:
      config: the run's configuration.
      family: the task family. pool: runs the blocks.
      outer: theta and the outer optimizer; after a settled step its `state()` is all that a resumed
        run needs.
      due: given the steps done, returns how many more may be done in one call, see `ManySteps`; 0:
        the next one is run by itself.
    Raises:
      MetatrainError: see `pool.run`, `SkipBudget` and `aggregate`; theta is that of the last
        complete step.
    """
    step, budget = outer.step, SkipBudget(config.algorithm.inner_lr)
    with ThreadPoolExecutor(1, "sampler") as sampler:
        runner = getattr(pool, "runner", None)
        sample = partial(_sample, config, family, runner)
        draw = partial(train_blocks, config, family)
        many = many_steps(runner, outer, draw, sampler, due, config.outer.steps)
        ahead: Future[list[Block]] | None = None
        while step < config.outer.steps:
            if done := many.run(step):
                yield from _reports_of(done, config, outer)
                budget.spend(step, 0, config.outer.meta_batch_size)
                step, ahead = step + len(done.metrics), None
                continue
            started = time.perf_counter()
            blocks, weights = ahead.result() if ahead else sample(step), outer.weights
            if step + 1 < config.outer.steps:  # sampled while the pool works
                ahead = sampler.submit(sample, step + 1)
            contributions = pool.run(weights, blocks)
            skipped = sum(c.num_skipped for c in contributions)
            budget.spend(step, skipped, config.outer.meta_batch_size)
            gradient, carry, metrics = aggregate(
                contributions, weights.theta.size, weights.carry.size
            )
            run_round = partial(_run_round, pool, weights, blocks)
            metrics |= outer.update(RoundResult(gradient, metrics), carry, run_round)
            _check_theta(step, outer, config, skipped)
            seconds, step = time.perf_counter() - started, step + 1
            yield StepReport(step, metrics, config.outer.meta_batch_size, skipped, seconds)


def _sample(
    config: MetaConfig, family: TaskFamily, runner: "BlockRunner | None", step: int
) -> list[Block]:
    """Sample a step's blocks; in this process, the first one's tasks are built meanwhile too."""
    blocks = train_blocks(config, family, step)
    if runner is not None:
        runner.build_ahead(blocks[0])
    return blocks


def _reports_of(done: StepsDone, config: MetaConfig, outer: OuterUpdate) -> Iterator[StepReport]:
    """Report each step of a call."""
    last = done.first + len(done.metrics)
    for step, metrics in enumerate(done.metrics, start=done.first + 1):
        if step == last:
            _check_theta(step - 1, outer, config, 0)
        tasks = config.outer.meta_batch_size
        yield StepReport(step, metrics, tasks, 0, done.seconds, settled=step == last)


def _check_theta(step: int, outer: OuterUpdate, config: MetaConfig, skipped: int) -> None:
    if not all_finite(outer.weights.theta):
        raise NonFiniteError(
            f"step {step}: the outer update made weights that are not finite, from a "
            f"finite gradient; {_remedy(config, skipped)}"
        )


def _remedy(config: MetaConfig, skipped: int) -> str:
    """Return what to try. Skipped tasks hint at an inner rate that is too high for all of them."""
    advice = "lower outer.lr or set outer.clip_norm"
    if not skipped:
        return advice
    rate = config.algorithm.inner_lr
    return f"it left out {skipped} tasks: lower algorithm.inner_lr = {rate:g} first, then {advice}"


def _run_round(pool: Pool, drawn: Weights, blocks: Sequence[Block], wanted: Round) -> RoundResult:
    """Run a further round over the tasks of a step that were sampled at the weights `drawn`."""
    round_blocks = [replace(block, round=wanted.name) for block in blocks]
    weights = drawn._replace(now=wanted.now, argument=wanted.argument)
    contributions = pool.run(weights, round_blocks)
    vector, _, metrics = aggregate(contributions, drawn.theta.size, drawn.carry.size)
    return RoundResult(vector, metrics)
