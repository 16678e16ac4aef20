"""Forecast of a run's time and memory on any number of actors, from short measurements."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from orchestrator.doctor.measure import Local, Shared

# Overhead in seconds of a step on two actors, and of each further actor, by the bytes of the
# weights: used if no step on actors was measured (benchmarks/RESULTS.md, "Scaling").
_STEP_ON_TWO_S = ((7e3, 2.97e-3), (0.44e6, 5.65e-3), (4e6, 13.2e-3))
_ACTOR_MORE_S = ((7e3, 0.45e-3), (4e6, 1.1e-3), (40e6, 1.6e-3))
# Seconds to write a step's row to metrics.jsonl and TensorBoard's files.
_LOG_S = 0.3e-3


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run.

    num_tasks: tasks of an outer step.
    validation_blocks: blocks of one validation.
    slots: actors that the measured machine or cluster has room for.
    """

    num_tasks: int
    num_steps: int
    num_validations: int
    validation_blocks: int
    test_blocks: int
    slots: int


@dataclass(frozen=True, slots=True)
class Row:
    """The forecast for a number of actors.

    num_actors: 0: one process without Ray.
    run_s: seconds from start to test scores.
    driver_bytes, actor_bytes: peak resident memory of the driver, and of each actor.
    basis: "measured"; "forecast": from measurements on other numbers of actors; "extrapolated": to
      more machines of this kind, whose network is not known.
    """

    num_actors: int
    step_s: float
    tasks_per_s: float
    run_s: float
    driver_bytes: int
    actor_bytes: int
    basis: Literal["measured", "forecast", "extrapolated"]

    @property
    def total_bytes(self) -> int:
        """Peak memory of the driver and all actors together."""
        return self.driver_bytes + self.num_actors * self.actor_bytes


def forecast(plan: Plan, local: Local, shared: Shared | None) -> list[Row]:
    """Forecast a run on 0, 1, 2, 4, ... actors, up to as many as a step has blocks."""
    return [_row(number, plan, local, shared) for number in _numbers(plan, local, shared)]


def step_s(num_actors: int, local: Local, shared: Shared | None) -> float:
    """Estimate the seconds of an outer step; actors without a block do not matter."""
    if num_actors == 0:
        return local.step_s if local.in_calls_s is None else local.in_calls_s
    busy = min(num_actors, local.num_blocks)
    more_s = _between(_ACTOR_MORE_S, local.theta_bytes)
    update_s = max(0.0, local.step_s - local.num_blocks * local.block_s)
    if shared is None:
        beside_s = _between(_STEP_ON_TWO_S, local.theta_bytes) + (busy - 2) * more_s + update_s
        return _in_turn(local.num_blocks, busy) * local.block_s + max(0.0, beside_s)
    if num_actors == shared.num_actors:
        return shared.step_s
    measured = min(shared.num_actors, local.num_blocks)
    beside_s = shared.step_s - _in_turn(local.num_blocks, measured) * shared.block_s
    beside_s = max(update_s, beside_s) + (busy - measured) * more_s
    # A single actor has the machine to itself, as the one process had.
    block_s = min(local.block_s, shared.block_s) if busy == 1 else shared.block_s
    return _in_turn(local.num_blocks, busy) * block_s + max(0.0, beside_s)


def _row(num_actors: int, plan: Plan, local: Local, shared: Shared | None) -> Row:
    seconds = step_s(num_actors, local, shared)
    share = max(1, num_actors)
    held_out = plan.num_validations * _in_turn(plan.validation_blocks, share)
    held_out += _in_turn(plan.test_blocks, share)
    start_s = shared.start_s if shared and num_actors else local.start_s + local.first_s
    driver_bytes, actor_bytes = _memory(num_actors, local, shared)
    return Row(
        num_actors,
        seconds,
        plan.num_tasks / seconds,
        start_s + plan.num_steps * (seconds + _LOG_S) + held_out * local.held_out_s,
        driver_bytes,
        actor_bytes,
        _basis(num_actors, plan, shared),
    )


def _memory(num_actors: int, local: Local, shared: Shared | None) -> tuple[int, int]:
    """Estimate the driver's and an actor's memory; each actor adds one result to the driver's."""
    if num_actors == 0:
        return local.peak_bytes, 0
    if shared is None:
        return local.peak_bytes, local.peak_bytes
    more = min(num_actors, local.num_blocks) - min(shared.num_actors, local.num_blocks)
    driver_bytes = shared.driver_bytes + max(0, more) * local.theta_bytes
    return driver_bytes, shared.actor_bytes or local.peak_bytes


def _basis(
    num_actors: int, plan: Plan, shared: Shared | None
) -> Literal["measured", "forecast", "extrapolated"]:
    if num_actors == 0 or (shared and num_actors == shared.num_actors):
        return "measured"
    return "forecast" if num_actors <= plan.slots else "extrapolated"


def _numbers(plan: Plan, local: Local, shared: Shared | None) -> Sequence[int]:
    """List 0, 1, 2, 4, ..., the slots, the measured number, and the number of blocks."""
    numbers = {0, 1, min(plan.slots, local.num_blocks), local.num_blocks}
    number = 2
    while number < local.num_blocks:
        numbers.add(number)
        number *= 2
    if shared:
        numbers.add(shared.num_actors)
    return sorted(numbers)


def _in_turn(num_blocks: int, num_actors: int) -> int:
    """Return the number of blocks that the busiest actor runs, one after another."""
    return -(-num_blocks // num_actors)


def _between(table: Sequence[tuple[float, float]], size: float) -> float:
    """Interpolate a table linearly; constant before its first point, linear after its last."""
    for (low, at_low), (high, at_high) in pairwise(table):
        if size <= high or high == table[-1][0]:
            return max(table[0][1], at_low + (size - low) * (at_high - at_low) / (high - low))
    raise AssertionError
