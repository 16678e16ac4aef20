"""CAVIA: context parameters alone adapt (Zintgraf et al. 2019, arXiv:1810.03642)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from workers.algorithms.maml import DifferentiatedWithOptimizer
from workers.settings.section import setting

if TYPE_CHECKING:
    from workers.algorithms.algorithm import Start
    from workers.inner.inner_loop import InnerState, Plan
    from workers.inner.losses import Theta
    from workers.models.functional import FunctionalModel
    from workers.models.model import Model


class CaviaAlgorithm(DifferentiatedWithOptimizer):
    """Context adaptation (Zintgraf et al. 2019, arXiv:1810.03642): few additional inputs adapt.

    Each task starts with context parameters of 0. All other weights are learned in the outer loop
    alone, through the inner one.
    """

    title = "CAVIA"
    adapted = "context"
    never_kept: ClassVar[Mapping[str, str]] = {
        "inner_lr": "since rates of weights and of context parameters do not compare"
    }
    kind: Literal["cavia"] = "cavia"
    inner_lr: float = setting(1.0, "step size of the inner optimizer, > 0", gt=0)
    context_size: int = setting(10, "number of context parameters, 1 to 65536", ge=1, le=65536)

    def check_model(self, model: Model) -> None:
        """See `Algorithm.check_model`."""
        super().check_model(model)
        if not model.takes_context:
            from workers.settings.models import MODELS

            fit = ", ".join(repr(kind) for kind, other in MODELS.items() if other.takes_context)
            raise ValueError(
                "algorithm.kind = 'cavia' gives a model context parameters, which model.kind = "
                f"{model.kind!r} does not take; models that do: {fit}"
            )

    def adapts(self, model: FunctionalModel) -> Sequence[bool]:
        """See `Algorithm.adapts`."""
        from workers.models.conditioning.context import CONTEXT

        return [layer.rpartition("/")[2] == CONTEXT for layer in model.layers]

    def start_for_weights(
        self, adapts: Sequence[bool], theta: Theta, start: Start, inner_lr: Any
    ) -> tuple[InnerState, Plan]:
        """See `Algorithm.start_for_weights`; the context starts at 0, and is not learned."""
        import tensorflow as tf

        weights = [
            tf.zeros_like(w) if adapted else w for w, adapted in zip(theta, adapts, strict=True)
        ]
        return super().start_for_weights(adapts, weights, start, inner_lr)

    @property
    def num_context(self) -> int:
        """See `Algorithm.num_context`."""
        return self.context_size

    @property
    def method(self) -> str:
        """See `Algorithm.method`."""
        title, *others = super().method.split(", ")
        return ", ".join([f"{title} with {self.context_size} context parameters", *others])
