"""Meta-SGD: a learned rate for every weight (Li et al. 2017, arXiv:1707.09835)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from workers.algorithms.algorithm import Extra
from workers.algorithms.maml import Differentiated
from workers.algorithms.step_normalization import WithStepNormalization
from workers.settings.section import setting

if TYPE_CHECKING:
    from workers.algorithms.algorithm import Start
    from workers.inner.inner_loop import InnerState, Plan
    from workers.inner.losses import Theta
    from workers.models.functional import FunctionalModel


class MetaSgdAlgorithm(WithStepNormalization, Differentiated):
    """MAML with a learned rate for every weight (Li et al. 2017, arXiv:1707.09835)."""

    title = "Meta-SGD"
    never_kept: ClassVar[Mapping[str, str]] = {"later_lr": "since each weight has a rate"}
    no_evaluation: ClassVar[Mapping[str, str]] = {"later_lr": "which learns a rate for each weight"}
    kind: Literal["meta_sgd"] = "meta_sgd"
    inner_lr: float = setting(0.01, "initial value of all learned rates, > 0", gt=0)

    def start_inner_loop(
        self, model: FunctionalModel, theta: Theta, start: Start, inner_lr: Any
    ) -> tuple[InnerState, Plan]:
        """See `Algorithm.start_inner_loop`.

        theta holds the weights, then their rates in the same order. `inner_lr` is not used: the
        rates started with the setting of that name.
        """
        from workers.inner.inner_loop import InnerState, Plan
        from workers.inner.optimizers import Sgd

        count = len(model.names)
        weights, rates = list(theta[:count]), list(theta[count:])
        chosen = [rate for rate, adapts in zip(rates, model.adapts, strict=True) if adapts]
        plan = Plan(Sgd(chosen), model.adapts, self.first_order, self.largest_norm)
        return InnerState(weights, [], start.state), plan

    def extras(self, model: FunctionalModel) -> list[Extra]:
        """List a rate for each weight, as meta-parameters beside the weights."""
        pairs = zip(model.names, model.shapes, strict=True)
        return [Extra(f"inner_lr/{name}", shape, self.inner_lr) for name, shape in pairs]

    @property
    def learned_rates(self) -> str:
        """See `Algorithm.learned_rates`."""
        return "each weight"

    @property
    def optimizer_title(self) -> str:
        """See `Algorithm.optimizer_title`."""
        return f"sgd, a learned rate for {self.learned_rates}"
