"""Contributions whose vectors stay on the machine that made them, to be added there."""

import hashlib
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from workers.wire.protocol import Contribution, Vector
from workers.wire.tensors import all_finite

#: dtype and shape.
ArraySpec = tuple[str, tuple[int, ...]]


class Vectors(NamedTuple):
    """The large part of a contribution: its gradient and carry, float32."""

    gradient: Vector
    carry: Vector


@dataclass(frozen=True, eq=False)
class RemoteContribution:
    """A contribution without its vectors, which stay where they were made.

    contribution: all but the vectors.
    array_specs: of each vector.
    finite: whether all numbers of the vectors are finite.
    digest: of the whole contribution, see `digest`.
    """

    contribution: Contribution
    array_specs: list[ArraySpec]
    finite: bool
    digest: str

    def with_vectors(self, vectors: Vectors) -> Contribution:
        """Put the contribution and its vectors together."""
        return replace(self.contribution, gradient=vectors.gradient, carry=vectors.carry)


def split_vectors(contribution: Contribution) -> tuple[Vectors, RemoteContribution]:
    """Split a contribution into its vectors and the rest."""
    vectors = Vectors(contribution.gradient, contribution.carry)
    nothing = np.zeros(0, np.float32)
    remote = RemoteContribution(
        contribution=replace(contribution, gradient=nothing, carry=nothing),
        array_specs=[array_spec(vector) for vector in vectors],
        finite=all(map(all_finite, vectors)),
        digest=digest(contribution),
    )
    return vectors, remote


def array_spec(vector: Vector) -> ArraySpec:
    """Describe a vector by its dtype and shape."""
    return vector.dtype.str, vector.shape


def digest(contribution: Contribution) -> str:
    """Compute the identity of a contribution: sha256 of all that a run uses of it."""
    c = contribution
    content = hashlib.sha256(f"{c.index} {c.num_tasks} {c.num_blocks}".encode())
    named = sorted(c.metrics.items())
    for name, array in [("gradient", c.gradient), ("carry", c.carry), *named]:
        content.update(f"{name} {array.dtype} {array.shape}".encode())
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()
