"""The kinds of inputs that tasks give to a model, and that models accept."""

from typing import Literal

#: Token ids are "texts", to be classified, or "sequences", whose next tokens are predicted.
Inputs = Literal["numbers", "images", "signals", "texts", "sequences", "observations"]

EXAMPLES: frozenset[Inputs] = frozenset({"numbers", "images", "signals", "texts", "sequences"})
OBSERVATIONS: frozenset[Inputs] = frozenset({"observations"})
#: What a backbone makes of an example: a vector.
FEATURES: frozenset[Inputs] = frozenset({"numbers"})
EVERYTHING = EXAMPLES | OBSERVATIONS
