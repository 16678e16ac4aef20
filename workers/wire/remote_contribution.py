"""Contributions whose vectors stay where they were made, so that they can be added there."""

import hashlib
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from workers.wire.protocol import Contribution, Vector
from workers.wire.tensors import all_finite

Layout = tuple[str, tuple[int, ...]]


class Vectors(NamedTuple):
    """What of a contribution is as large as theta: its gradient and carry, float32."""

    gradient: Vector
    carry: Vector


@dataclass(frozen=True, eq=False)
class Kept:
    """What travels in the place of vectors that are kept.

    contribution: all of it but the vectors. layouts: dtype and shape of each vector.
    finite: whether all their numbers are. digest: see `digest`, of the whole.
    """

    contribution: Contribution
    layouts: list[Layout]
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
        layouts=[layout(vector) for vector in vectors],
        finite=all(map(all_finite, vectors)),
        digest=digest(contribution),
    )
    return vectors, kept


def layout(vector: Vector) -> Layout:
    """For comparison."""
    return vector.dtype.str, vector.shape


def digest(contribution: Contribution) -> str:
    """The identity of a contribution: sha256 of all that a run takes from it."""
    c = contribution
    content = hashlib.sha256(f"{c.index} {c.num_tasks} {c.num_blocks}".encode())
    named = sorted(c.metrics.items())
    for name, array in [("gradient", c.gradient), ("carry", c.carry), *named]:
        content.update(f"{name} {array.dtype} {array.shape}".encode())
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()
