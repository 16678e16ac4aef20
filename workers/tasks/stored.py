"""Families whose examples are rows of stored data, of which features can be computed once."""

from collections.abc import Callable
from typing import Protocol

from workers.tasks.family import TaskFamily
from workers.wire.protocol import Array, Episode, Specs


class StoredFamily(TaskFamily, Protocol):
    """A family that can say which rows of its data a task holds.

    A family of texts has `strings_of(rows)` too.

    shape_keys: the settings that its examples' shape depends on, for errors.
    """

    shape_keys: str

    @property
    def stored_rows(self) -> Array:
        """The rows that tasks may hold, int64, ascending."""
        ...

    @property
    def content_digest(self) -> str:
        """The sha256 of the inputs of all stored rows, as they are prepared."""
        ...

    def build_rows(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Make the arrays as `build` does, with rows int64 [tasks, examples] in place of inputs."""
        ...

    def inputs_of(self, rows: Array) -> Array:
        """Make the inputs of rows, [*rows.shape, *input_shape]."""
        ...

    def row_name(self, row: int) -> str:
        """Name a row for people."""
        ...


def with_inputs(episode: Episode, inputs_of: Callable[[Array], Array]) -> Episode:
    """Replace the rows of an episode by what `inputs_of` makes of them."""
    return episode._replace(
        support_inputs=inputs_of(episode.support_inputs),
        query_inputs=inputs_of(episode.query_inputs),
    )
