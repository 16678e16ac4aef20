"""What the examples of a task say, for people; the model is given numbers."""

from collections.abc import Sequence
from typing import NamedTuple


class DisplayText(NamedTuple):
    """Of one task, in the order of its examples.

    support, queries: the texts. support_options, query_options: of each, what the model's outputs
    stand for; its target is a place among them. samples: what the model said before and after.
    """

    support: Sequence[str]
    support_options: Sequence[Sequence[str]]
    queries: Sequence[str]
    query_options: Sequence[Sequence[str]]
    samples: Sequence[Sequence[str]] = ()
