"""BOIL: the body adapts, the head does not (Oh et al. 2021, arXiv:2008.08882)."""

from typing import Literal

from workers.algorithms.maml import DifferentiatedWithOptimizer
from workers.algorithms.step_normalization import WithStepNormalization


class BoilAlgorithm(WithStepNormalization, DifferentiatedWithOptimizer):
    """Body only in the inner loop: all but the head adapts (Oh et al. 2021, arXiv:2008.08882)."""

    title = "BOIL"
    adapted = "body"
    kind: Literal["boil"] = "boil"
