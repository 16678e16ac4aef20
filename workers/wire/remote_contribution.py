"""Contributions whose vectors stay where they were made, so that they can be added there."""

import hashlib
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from workers.wire.protocol import Contribution, Vector
from workers.wire.tensors import all_finite

ArraySpec = tuple[str, tuple[int, ...]]


class Vectors(NamedTuple):
    """What of a contribution is as large as theta: its gradient and carry, float32."""

    gradient: Vector
    carry: Vector


@dataclass(frozen=True, eq=False)
class RemoteContribution:
    """What travels in the place of vectors that are kept.

    contribution: all of it but the vectors. array_specs: dtype and shape of each vector.
    finite: whether all their numbers are. digest: see `digest`, of the whole.
    """

    contribution: Contribution
    array_specs: list[ArraySpec]
    finite: bool
    digest: str

    def with_vectors(self, vectors: Vectors) -> Contribution:
        """The contribution with its vectors."""
        return replace(self.contribution, gradient=vectors.gradient, carry=vectors.carry)


def split_vectors(contribution: Contribution) -> tuple[Vectors, RemoteContribution]:
    """Take a contribution apart."""
    vectors = Vectors(contribution.gradient, contribution.carry)
    nothing = np.zeros(0, np.float32)
    kept = RemoteContribution(
        contribution=replace(contribution, gradient=nothing, carry=nothing),
        array_specs=[array_spec(vector) for vector in vectors],
        finite=all(map(all_finite, vectors)),
        digest=digest(contribution),
    )
    return vectors, kept


def array_spec(vector: Vector) -> ArraySpec:
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
