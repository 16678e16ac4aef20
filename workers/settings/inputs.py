"""What tasks give to a model, and what models take."""

from typing import Literal

#: Token ids are "texts", which are told apart, or "sequences", of which each next one is said.
Inputs = Literal["numbers", "images", "signals", "texts", "sequences", "observations"]

EXAMPLES: frozenset[Inputs] = frozenset({"numbers", "images", "signals", "texts", "sequences"})
OBSERVATIONS: frozenset[Inputs] = frozenset({"observations"})
EVERYTHING = EXAMPLES | OBSERVATIONS
