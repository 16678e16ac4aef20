"""Contributions whose vectors stay where they were made, so that they can be added there."""

import hashlib
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from workers.protocol import Contribution, Vector
from workers.tensors import all_finite


class Vectors(NamedTuple):
    """What of a contribution is as large as theta: its gradient and carry, float32."""

    gradient: Vector
    carry: Vector


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What travels in the place of vectors that are kept.

    contribution: all of it but the vectors. layout: dtype and shape of each vector, as text.
    finite: whether all their numbers are. digest: see `digest`, of the whole.
    """

    contribution: Contribution
    layout: tuple[str, str]
    finite: bool
    digest: str

    def whole(self, vectors: Vectors) -> Contribution:
        """The contribution with its vectors."""
        return replace(self.contribution, gradient=vectors.gradient, carry=vectors.carry)


def keep(contribution: Contribution) -> tuple[Vectors, Kept]:
    """Take a contribution apart."""
    vectors = Vectors(contribution.gradient, contribution.carry)
    nothing = np.zeros(0, np.float32)
    kept = Kept(
        contribution=replace(contribution, gradient=nothing, carry=nothing),
        layout=(layout(vectors.gradient), layout(vectors.carry)),
        finite=all(map(all_finite, vectors)),
        digest=digest(contribution),
    )
    return vectors, kept


def layout(vector: Vector) -> str:
    """For comparison and for the user: "float32 [1000]"."""
    return f"{vector.dtype} {list(vector.shape)}"


def digest(contribution: Contribution) -> str:
    """The identity of a contribution: sha256 of all that a run takes from it."""
    c = contribution
    content = hashlib.sha256(f"{c.index} {c.num_tasks} {c.num_blocks}".encode())
    named = sorted(c.metrics.items())
    for name, array in [("gradient", c.gradient), ("carry", c.carry), *named]:
        content.update(f"{name} {array.dtype} {array.shape}".encode())
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()
