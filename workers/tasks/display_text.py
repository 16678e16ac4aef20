"""The texts of a task's examples, for people; the model gets numbers."""

from collections.abc import Sequence
from typing import NamedTuple


class DisplayText(NamedTuple):
    """The texts of one task, in the order of its examples.

    support: texts of the support set.
    support_options: for each text, the meanings of the model's outputs; its target is a place
      among them.
    queries, query_options: likewise.
    samples: texts that the model generated before and after adaptation.
    """

    support: Sequence[str]
    support_options: Sequence[Sequence[str]]
    queries: Sequence[str]
    query_options: Sequence[Sequence[str]]
    samples: Sequence[Sequence[str]] = ()
