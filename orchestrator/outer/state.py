"""All that survives an outer step."""

from dataclasses import dataclass, field
from itertools import zip_longest

from workers.wire.protocol import Array, Weights
from workers.wire.tensors import to_vector


@dataclass(frozen=True, slots=True)
class MetaState:
    """A point in a run, from which the rest follows bit for bit.

    step: outer steps done. theta: all that is meta-learned, [*shape_i] each, and `names`.
    carry: what passes from step to step beside it, by name; see `workers.wire.protocol.Weights`.
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
        return Weights(to_vector(self.theta), to_vector(list(self.carry.values())), self.step)


def check_shapes(expected: MetaState, state: MetaState) -> None:
    """Raise ValueError unless both hold the weights of one model."""
    for name, ours, theirs in zip_longest(expected.names, expected.theta, state.theta):
        if ours is None or theirs is None or ours.shape != theirs.shape:
            raise ValueError(
                f"the checkpoint's weights are of another model: {name} is "
                f"{_shape(theirs)} there, {_shape(ours)} now; set [model] and [task] back"
            )


def _shape(array: Array | None) -> str:
    return "missing" if array is None else str(list(array.shape))
