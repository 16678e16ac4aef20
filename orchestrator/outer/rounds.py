"""The rounds of an outer step over the same tasks, beyond the first one."""

from typing import NamedTuple

from workers.wire.protocol import RoundName, Vector


class Round(NamedTuple):
    """A round over the episodes of a step.

    name: see `workers.policies.rounds`.
    now: theta at which the round is evaluated, float32 [parameters].
    argument: the further input of the round, float32.
    """

    name: RoundName
    now: Vector
    argument: Vector


class RoundResult(NamedTuple):
    """The result of a round, as means over the step's tasks.

    vector: float32 [parameters].
    metrics: metrics by name.
    """

    vector: Vector
    metrics: dict[str, float]
