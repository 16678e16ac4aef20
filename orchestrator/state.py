"""All that survives an outer step."""

from dataclasses import dataclass, field

from workers.protocol import Array


@dataclass(frozen=True, slots=True)
class MetaState:
    """A point in a run, from which the rest follows bit for bit.

    step: outer steps done. theta: the meta-learned weights, [*shape_i] each.
    optimizer: the outer optimizer's variables by name; empty before the first step.
    names: theta's names, for a reader of the checkpoint.
    """

    step: int
    theta: list[Array]
    names: list[str]
    optimizer: dict[str, Array] = field(default_factory=dict)
