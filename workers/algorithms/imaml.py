"""iMAML: implicit gradients (Rajeswaran et al. 2019, arXiv:1909.04630)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from workers.algorithms.inner_loop import OptimizedInnerLoop
from workers.settings.section import setting

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.algorithms.algorithm import Outcome, Start
    from workers.inner.inner_loop import InnerState, Plan
    from workers.inner.losses import Objective, Theta
    from workers.settings.task import AnyTask
    from workers.wire.protocol import Task


class ImamlAlgorithm(OptimizedInnerLoop):
    """MAML with implicit gradients (Rajeswaran et al. 2019, arXiv:1909.04630).

    The inner loop approaches the minimum of the support loss plus proximal / 2 * |w - theta|^2. If
    it is there, the outer gradient depends on that minimum alone, and not on the way to it: its
    memory is that of one inner step.
    """

    title = "iMAML"
    has_outer_loss = False
    several_steps = True
    kind: Literal["imaml"] = "imaml"
    inner_steps: int = setting(16, "inner steps in training, 1 to 100", ge=1, le=100)
    proximal: float = setting(
        1.0, "lambda: how strongly inner steps are pulled to theta, > 0 to 10^6", gt=0, le=10**6
    )
    cg_steps: int = setting(
        5, "steps of conjugate gradients for an outer gradient, 1 to 100", ge=1, le=100
    )
    cg_damping: float = setting(
        0.0, "added to lambda in conjugate gradients, 0 to 10^6", ge=0, le=10**6
    )

    @classmethod
    def advice(cls, kept: Mapping[str, Any]) -> str:
        """See `Record.advice`."""
        if kept.get("inner_steps") != 1:
            return ""
        return "takes a single step toward a minimum: set algorithm.inner_steps to 10 or more"

    def check_task(self, task: AnyTask) -> None:
        """See `Algorithm.check_task`."""
        if task.acts:
            raise ValueError(
                "algorithm.kind = 'imaml' approaches the minimum of one loss, but each inner step "
                f"of a policy (task.kind = {task.kind!r}) sees its own episodes; use 'maml'"
            )

    def start_for_weights(
        self, adapts: Sequence[bool], theta: Theta, start: Start, inner_lr: Any
    ) -> tuple[InnerState, Plan]:
        """See `Algorithm.start_for_weights`; the inner steps are pulled to theta."""
        from workers.inner.optimizers import Proximal

        initial, plan = super().start_for_weights(adapts, theta, start, inner_lr)
        anchors = [w for w, adapted in zip(theta, adapts, strict=True) if adapted]
        optimizer = Proximal(plan.optimizer, self.proximal, anchors)
        return initial, plan._replace(optimizer=optimizer, first_order=True)

    def outer_gradient(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> Outcome:
        """Compute the implicit gradient of the query loss at the adapted weights.

        With g the gradient of the query loss and H the Hessian of the support loss there, it is
        the v with (I + H / (lambda + damping)) v = g, by conjugate gradients. Weights that do not
        adapt have their own part of g, minus what they do to the others' minimum.

        The authors' code multiplies I by 2 and adds a damping of 10 to lambda.

        Source: Rajeswaran et al. 2019, lemma 1 and algorithm 2; `matrix_evaluator` of
          github.com/aravindr93/imaml_dev.
        """
        import tensorflow as tf

        from workers.inner.inner_loop import adapt_forward

        initial, plan = self.start_inner_loop(objective.model, theta, start, self.inner_lr)
        adapted, before = adapt_forward(objective.inner, initial, task, self.inner_steps, plan)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(adapted.theta)
            after, metrics, state = objective.outer(adapted.theta, adapted.state, task)
        slope = tape.gradient(after, adapted.theta, unconnected_gradients="zero")
        gradient = self._implicit(objective, adapted, task, slope)
        del metrics["loss"]
        metrics = {"loss_before": before / objective.inner_scale, "loss_after": after, **metrics}
        return gradient, start._replace(state=state, moments=adapted.moments), metrics

    def _implicit(
        self, objective: Objective, adapted: InnerState, task: Task, slope: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        """Turn the gradient at the adapted weights into that at theta."""
        from workers.inner.conjugate_gradients import conjugate_gradients
        from workers.inner.hessian_products import hessian_product

        adapts = self.adapts(objective.model)
        strength = self.proximal + self.cg_damping

        def product(vector: list[tf.Tensor]) -> list[tf.Tensor]:
            curved = hessian_product(objective.inner, adapted, task, adapts, vector)
            chosen = [h for h, adapted in zip(curved, adapts, strict=True) if adapted]
            return [v + h / strength for v, h in zip(vector, chosen, strict=True)]

        target = [g for g, adapted in zip(slope, adapts, strict=True) if adapted]
        solved = conjugate_gradients(product, target, self.cg_steps)
        if all(adapts):
            return solved
        remaining = iter(solved)
        mixed = hessian_product(objective.inner, adapted, task, adapts, solved)
        return [
            next(remaining) if adapted else g - m / strength
            for g, m, adapted in zip(slope, mixed, adapts, strict=True)
        ]

    @property
    def second_order(self) -> bool:
        """See `Algorithm.second_order`: the Hessian of the support loss is used."""
        return True

    @property
    def learns_unadapted(self) -> bool:
        """See `Algorithm.learns_unadapted`."""
        return True

    @property
    def goes_back(self) -> bool:
        """See `Algorithm.goes_back`."""
        return False

    @property
    def without_second_order(self) -> str:
        """See `Algorithm.without_second_order`."""
        return "algorithm.kind = 'reptile'"

    @property
    def method(self) -> str:
        """See `Algorithm.method`."""
        damping = f" with damping {self.cg_damping:g}" if self.cg_damping else ""
        return f"{self.title}, {self.cg_steps} steps of conjugate gradients{damping}"

    @property
    def optimizer_title(self) -> str:
        """See `Algorithm.optimizer_title`."""
        return f"{super().optimizer_title}, pulled to theta by lambda = {self.proximal:g}"
