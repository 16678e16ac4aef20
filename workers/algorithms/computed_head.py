"""Algorithms that compute a task's head from its support set, for any number of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from workers.algorithms.algorithm import Algorithm
from workers.losses.registry import LOSSES, loss_of

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.algorithms.algorithm import Recorder, Start
    from workers.heads.linear_head import LinearHead
    from workers.heads.objective import HeadObjective
    from workers.inner.inner_loop import InnerState
    from workers.inner.losses import Metrics, Objective, Theta
    from workers.losses.loss import Loss
    from workers.models.model import Model
    from workers.settings.losses.loss_settings import Targets
    from workers.settings.task import AnyTask
    from workers.tasks.family import TaskFamily
    from workers.wire.protocol import Task

_CALLED: dict[Targets, str] = {"classes": "classes", "numbers": "numbers to predict"}


class ComputedHead(Algorithm):
    """What all algorithms share whose head is computed from the support set.

    A new one defines `title`, `targets`, `statistics` and `head`.

    targets: the sorts of targets that its head predicts.
    """

    computes_head = True
    targets: ClassVar[frozenset[Targets]]

    def head(
        self, objective: HeadObjective, theta: Theta, features: tf.Tensor, targets: tf.Tensor
    ) -> LinearHead:
        """Compute the head of a task.

        Args:
          theta: all meta-learned parameters; `extras` are at the end.
          features: of the support set, [n, features].
          targets: of the support set; padding is marked in them.
        """
        raise NotImplementedError

    def check_task(self, task: AnyTask) -> None:
        """Raise ValueError if no task of this kind has targets that the head predicts."""
        super().check_task(task)
        named = getattr(task, "loss", "auto")
        if named in LOSSES and task.is_drawn:
            self._check_loss(LOSSES[named]())
        losses = getattr(task, "losses", None) or (named,)
        known = [LOSSES[name].targets for name in losses if name in LOSSES]
        if known and not self.targets & {*known, *getattr(task, "scored", ())}:
            raise ValueError(
                f"algorithm.kind = {self.kind!r} computes a head for {self._listed()}, but "
                f"task.kind = {task.kind!r} has none; use algorithm.kind = 'maml'"
            )

    def check_model(self, model: Model) -> None:
        """Raise ValueError if the model has no features, or normalizes queries together."""
        if not model.has_features:
            raise ValueError(
                f"model.kind = {model.kind!r} has nothing in front of its head, which algorithm."
                f"kind = {self.kind!r} computes; use another model, such as 'mlp'"
            )
        normalizations = model.normalizations
        if normalizations is not None and "batch" not in normalizations:
            return
        if model.statistics not in self.statistics:
            allowed = " or ".join(map(repr, self.statistics))
            raise ValueError(
                f"model.statistics = {model.statistics!r} is not for algorithm.kind = "
                f"{self.kind!r}, whose prototypes and queries are normalized alike and none by "
                f"other queries; use {allowed}, or a model without batch normalization"
            )

    def check_family(self, family: TaskFamily) -> None:
        """Raise ValueError if the head does not predict the targets of these tasks."""
        self._check_loss(loss_of(family))

    def _check_loss(self, loss: Loss) -> None:
        if loss.targets not in self.targets or loss.outputs_per_target != 1:
            raise ValueError(
                f"algorithm.kind = {self.kind!r} computes a head for {self._listed()}, but the "
                f"loss of these tasks is {loss.title}; use another loss, or algorithm.kind = 'maml'"
            )

    def _listed(self) -> str:
        return " or ".join(_CALLED[name] for name in _CALLED if name in self.targets)


class ClosedForm(ComputedHead):
    """What algorithms share that adapt by computing a head, and by nothing else."""

    closed_form = True
    no_evaluation: ClassVar[Mapping[str, str]] = {
        "inner_steps": "whose head is computed at once",
        "inner_lr": "whose head is computed at once",
        "inner_batch": "whose head is computed at once",
    }
    if not TYPE_CHECKING:  # settings of other algorithms
        inner_lr: ClassVar[float] = 1.0
        inner_loss: ClassVar[str] = "mean"

    def outer_loss(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> tuple[tf.Tensor, Start, Metrics]:
        """Compute the query loss of the head that the support set gives.

        Args:
          theta: weights of the features, then `extras`.
        Returns:
          see `Algorithm.outer_loss`; loss_before is that of a head that has seen no example.
        """
        before, outputs, state, _ = self._outputs(objective, theta, start, task, training=True)
        loss, metrics = objective.score(outputs, task.query_targets)
        del metrics["loss"]
        earlier = objective.score(before, task.query_targets)[0]
        metrics = {"loss_before": earlier, "loss_after": loss, **metrics}
        return loss, start._replace(state=state), metrics

    def adapt_at_once(
        self,
        objective: Objective,
        theta: Theta,
        start: Start,
        task: Task,
        record: Recorder | None,
    ) -> tuple[dict[str, tf.Tensor], InnerState]:
        """See `Algorithm.adapt_at_once`: the head is computed."""
        import tensorflow as tf

        from workers.inner.inner_loop import InnerState

        *outputs, state, adapted = self._outputs(objective, theta, start, task, training=False)
        inner_state = InnerState(adapted, [], state)
        if record is None:
            return {}, inner_state
        before, after = (record(values) for values in outputs)
        return {name: tf.stack([before[name], after[name]]) for name in before}, inner_state

    def _outputs(
        self, objective: Any, theta: Theta, start: Start, task: Task, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor, Any, list[tf.Tensor]]:
        """Compute outputs for the queries before and after, the layers' state, and all weights."""
        body = list(theta[: len(objective.features.names)])
        support, queries, state = objective.embed(body, start.state, task, training)
        head = self.head(objective, theta, support, task.support_targets)
        return head.blank().outputs(queries), head.outputs(queries), state, [*body, *head]
