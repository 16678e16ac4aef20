"""A learned inner rate for each layer and inner step (LSLR, Antoniou et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workers.algorithms.algorithm import Extra
from workers.algorithms.inner_loop import OptimizedInnerLoop
from workers.settings.section import setting

if TYPE_CHECKING:
    from workers.algorithms.algorithm import Start
    from workers.inner.inner_loop import InnerState, Plan
    from workers.inner.losses import Theta
    from workers.models.functional import FunctionalModel


class WithLayerRates(OptimizedInnerLoop):
    """Settings of an algorithm that may learn a rate for each layer and inner step.

    The rates are meta-parameters that follow the weights in theta, an array [inner_steps] for each
    layer that adapts. They may become negative, as in the paper. A held-out task that takes more
    inner steps than there are rates keeps the last ones.

    Source: Antoniou et al. 2019, arXiv:1810.09502, section 4, "Learning Per-Layer Per-Step
    Learning Rates and Gradient Directions". The authors' code has a rate for each array of weights;
    here those of a layer share one, as in the paper.
    """

    layer_rates: bool = setting(
        False,
        "learn a rate for each layer and inner step; inner_lr is their initial value",
        later=True,
    )

    def start_inner_loop(
        self, model: FunctionalModel, theta: Theta, start: Start, inner_lr: Any
    ) -> tuple[InnerState, Plan]:
        """See `Algorithm.start_inner_loop`; `inner_lr` is not used where rates are learned."""
        weights, rates = self.split(model, theta)
        initial, plan = self.start_for_weights(self.adapts(model), weights, start, inner_lr)
        return initial, self.with_rates(plan, model, rates)

    def split(self, model: FunctionalModel, theta: Theta) -> tuple[Theta, Theta]:
        """Split theta into the model's weights and the rates."""
        count = len(model.names)
        return list(theta[:count]), list(theta[count:])

    def with_rates(self, plan: Plan, model: FunctionalModel, rates: Theta) -> Plan:
        """Copy the plan of an inner loop over the weights that adapt, with the learned rates."""
        from workers.inner.optimizers import RatesOfSteps

        if not self.layer_rates:
            return plan
        by_layer = dict(zip(self._layers(model), rates, strict=True))
        layers = [layer for layer, adapts in self._pairs(model) if adapts]
        of_weights = [by_layer[layer] for layer in layers]
        return plan._replace(optimizer=RatesOfSteps.of(plan.optimizer, of_weights))

    def extras(self, model: FunctionalModel) -> list[Extra]:
        """List the rates of each layer, as meta-parameters beside the weights."""
        if not self.layer_rates:
            return []
        shape = (self.inner_steps,)
        return [Extra(f"inner_lr/{name}", shape, self.inner_lr) for name in self._layers(model)]

    def _layers(self, model: FunctionalModel) -> Sequence[str]:
        return list(dict.fromkeys(layer for layer, adapts in self._pairs(model) if adapts))

    def _pairs(self, model: FunctionalModel) -> Sequence[tuple[str, bool]]:
        """List for each weight its layer, and whether it adapts."""
        return list(zip(model.layers, self.adapts(model), strict=True))

    @property
    def learned_rates(self) -> str:
        """See `Algorithm.learned_rates`."""
        return "each layer and inner step" if self.layer_rates else super().learned_rates

    @property
    def optimizer_title(self) -> str:
        """See `Algorithm.optimizer_title`."""
        title = super().optimizer_title
        return f"{title}, a learned rate for {self.learned_rates}" if self.layer_rates else title
