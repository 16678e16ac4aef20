"""The readable text of a task's examples; the model itself gets numbers."""

from collections.abc import Sequence
from typing import NamedTuple


class DisplayText(NamedTuple):
    """The text of one task, in the order of its examples.

    support, queries: the texts.
    support_options, query_options: for each text, the meanings of the model's outputs; its target
      is an index into them.
    samples: what the model generated before and after adaptation.
    """

    support: Sequence[str]
    support_options: Sequence[Sequence[str]]
    queries: Sequence[str]
    query_options: Sequence[Sequence[str]]
    samples: Sequence[Sequence[str]] = ()
