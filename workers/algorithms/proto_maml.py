"""ProtoMAML: inner steps from a head of prototypes (Triantafillou et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from workers.algorithms.computed_head import ComputedHead
from workers.algorithms.maml import Differentiated
from workers.settings.section import setting

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.algorithms.algorithm import Start
    from workers.heads.linear_head import LinearHead
    from workers.heads.objective import HeadObjective
    from workers.inner.inner_loop import InnerState, Plan
    from workers.inner.losses import Metrics, Objective, Theta
    from workers.wire.protocol import Task


class ProtoMamlAlgorithm(ComputedHead, Differentiated):
    """MAML whose head starts at prototypes (Triantafillou et al. 2020, arXiv:1903.03096)."""

    title = "ProtoMAML"
    targets = frozenset({"classes"})
    statistics = ("support",)
    rates = 0.0003, 0.001, 0.003, 0.01, 0.03
    never_kept: ClassVar[Mapping[str, str]] = {
        "inner_lr": "a rate for a head that starts at 0",
        "inner_loss": "since tasks may have any number of classes",
        "later_lr": "which is for policies",
    }
    kind: Literal["proto_maml"] = "proto_maml"
    inner_loss: Literal["mean"] = setting("mean", "the mean over examples")

    def head(
        self, objective: HeadObjective, theta: Theta, features: tf.Tensor, targets: tf.Tensor
    ) -> LinearHead:
        """See `ComputedHead.head`: prototypes."""
        from workers.heads.prototypes import prototype_head

        return prototype_head(features, targets, objective.num_outputs)

    def outer_loss(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> tuple[tf.Tensor, Start, Metrics]:
        """Compute MAML's outer loss; the gradient goes through the prototypes too."""
        task = objective.real_support(task)
        initial, plan = self._start(objective, theta, start, task, self.inner_lr, training=True)
        loss, adapted, metrics = self.adapted_loss(objective, initial, task, plan, start.outer_step)
        return loss, start._replace(state=adapted.state, moments=adapted.moments), metrics

    def start_on(
        self, objective: Objective, theta: Theta, start: Start, task: Task, inner_lr: Any
    ) -> tuple[InnerState, Plan]:
        """See `Algorithm.start_on`; step 0 is the head of prototypes."""
        state, plan = self._start(objective, theta, start, task, inner_lr, training=False)
        return state, plan._replace(first_order=True)

    def _start(
        self,
        objective: Any,
        theta: Theta,
        start: Start,
        task: Task,
        inner_lr: Any,
        training: bool,
    ) -> tuple[InnerState, Plan]:
        """Make the state of a task's inner loop, whose head is that of prototypes."""
        features, state = objective.support_features(theta, start.state, task, training)
        head = self.head(objective, theta, features, task.support_targets)
        weights = [*theta, *head]
        model = objective.model
        return self.start_for_weights(model.adapts, weights, start._replace(state=state), inner_lr)

    @property
    def adaptation_title(self) -> str | None:
        """See `Algorithm.adaptation_title`."""
        return "from a head of prototypes, step 0, by inner steps"
