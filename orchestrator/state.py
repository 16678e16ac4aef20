"""All that survives an outer step."""

from dataclasses import dataclass, field

from workers.protocol import Array, Weights
from workers.tensors import pack


@dataclass(frozen=True, slots=True)
class MetaState:
    """A point in a run, from which the rest follows bit for bit.

    step: outer steps done. theta: all that is meta-learned, [*shape_i] each, and `names`.
    carry: what passes from step to step beside it, by name; see `workers.protocol.Weights`.
    optimizer: the outer optimizer's variables by name; empty before the first step.
    """

    step: int
    theta: list[Array]
    names: list[str]
    carry: dict[str, Array] = field(default_factory=dict)
    optimizer: dict[str, Array] = field(default_factory=dict)

    @property
    def weights(self) -> Weights:
        """What blocks start from."""
        return Weights(pack(self.theta), pack(list(self.carry.values())), self.step)
