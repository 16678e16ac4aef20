"""The meta state: all that survives an outer step."""

from dataclasses import dataclass, field
from itertools import zip_longest

from workers.wire.protocol import Array, Weights
from workers.wire.tensors import to_vector


@dataclass(frozen=True, slots=True)
class MetaState:
    """A point in a run, from which the rest follows bit for bit.

    step: outer steps done.
    theta: the meta-learned arrays, [*shape_i] each.
    names: the names of these arrays.
    carry: arrays passed from step to step beside theta, by name; see
      `workers.wire.protocol.Weights`.
    optimizer: the outer optimizer's variables by name; empty before the first step.
    """

    step: int
    theta: list[Array]
    names: list[str]
    carry: dict[str, Array] = field(default_factory=dict)
    optimizer: dict[str, Array] = field(default_factory=dict)

    @property
    def weights(self) -> Weights:
        """The weights from which blocks start."""
        return Weights(to_vector(self.theta), to_vector(list(self.carry.values())), self.step)


def check_shapes(expected: MetaState, state: MetaState) -> None:
    """Refuse a state whose weights have other shapes than the expected ones.

    Raises:
      ValueError: names the first array that differs.
    """
    for name, array, loaded in zip_longest(expected.names, expected.theta, state.theta):
        if array is None or loaded is None or array.shape != loaded.shape:
            raise ValueError(
                f"the checkpoint's weights are of another model: {name} is "
                f"{_shape(loaded)} there, {_shape(array)} now; set [model] and [task] back"
            )


def _shape(array: Array | None) -> str:
    return "missing" if array is None else str(list(array.shape))
