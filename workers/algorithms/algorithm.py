"""What an algorithm is: its settings, and what one task gives.

Records are part of the configuration, which starts without TensorFlow: it is imported in methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from workers.settings.section import Record

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.inner.inner_loop import Learner, Plan
    from workers.inner.losses import Metrics, Objective, Theta
    from workers.inner.optimizers import InnerOptimizer, Moments
    from workers.models.functional import FunctionalModel, State
    from workers.settings.task import AnyTask
    from workers.wire.protocol import Task
    from workers.wire.tensors import Shape

    Outcome = tuple[list[tf.Tensor], "Start", Metrics]


class Start(NamedTuple):
    """What all tasks of a step start from, beside theta, and what they leave.

    state: of the model's layers. moments: of the inner optimizer; empty: fresh for every task.
    outer_step: outer steps done.
    """

    state: State
    moments: Moments
    outer_step: Any


class Extra(NamedTuple):
    """A meta-parameter beside the model's weights. value: what all its numbers start with."""

    name: str
    shape: Shape
    value: float


class Algorithm(Record):
    """A meta-learning algorithm.

    A new one gives `title`, and `outer_loss`, or `outer_gradient` where that is no gradient.

    title: for people. adapted: the weights that the inner loop changes. has_outer_loss: whether
    the outer gradient is that of `outer_loss`. learns_rates: whether each weight has a rate that
    is meta-learned. fine_tunes: whether tasks are adapted to after training alone.
    over_all_classes: whether classification is over all training classes at once in training, with
    a head for these. several_steps: whether a single inner step would make it joint training.
    no_evaluation: keys of [evaluation] that it has no use for -> why.
    """

    title: ClassVar[str]
    adapted: ClassVar[Literal["all", "head", "body"]] = "all"
    has_outer_loss: ClassVar[bool] = True
    learns_rates: ClassVar[bool] = False
    fine_tunes: ClassVar[bool] = False
    over_all_classes: ClassVar[bool] = False
    several_steps: ClassVar[bool] = False
    no_evaluation: ClassVar[Mapping[str, str]] = {}

    if TYPE_CHECKING:
        inner_lr: float
        inner_loss: Literal["mean", "sum_over_shots"]

    def outer_loss(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> tuple[tf.Tensor, Start, Metrics]:
        """Compute the scalar whose gradient with respect to theta is the task's outer gradient.

        Args:
          theta: list of float [*shape_i], all that is meta-learned.
        Returns:
          the loss; the rest as `outer_gradient` has it.
        """
        raise NotImplementedError

    def outer_gradient(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> Outcome:
        """Compute a task's outer gradient.

        Returns:
          the outer gradient (a list like theta), what the task leaves for the next step, and
          scalar metrics: loss_before (the mean support loss before adapting), loss_after and
          others (the queries after it).
        """
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            loss, left, metrics = self.outer_loss(objective, theta, start, task)
        return tape.gradient(loss, theta, unconnected_gradients="zero"), left, metrics

    def learn(
        self, model: FunctionalModel, theta: Theta, start: Start, inner_lr: Any
    ) -> tuple[Learner, Plan]:
        """Say how a task is adapted to, in training and in evaluation alike."""
        return self.learn_some(self.adapts(model), theta, start, inner_lr)

    def learn_some(
        self, adapts: Sequence[bool], theta: Theta, start: Start, inner_lr: Any
    ) -> tuple[Learner, Plan]:
        """Have some weights adapt, at one rate."""
        from workers.inner.inner_loop import Learner, Plan

        optimizer = self.optimizer(inner_lr, start.outer_step)
        chosen = [w for w, adapted in zip(theta, adapts, strict=True) if adapted]
        moments = start.moments or optimizer.init(chosen)
        plan = Plan(optimizer, adapts, not self.second_order)
        return Learner(list(theta), moments, start.state), plan

    def optimizer(self, rates: Any, outer_step: Any) -> InnerOptimizer:
        """Make the inner optimizer.

        Args:
          rates: the step size, or a list of step sizes like the weights.
          outer_step: outer steps done, which persistent moments have seen.
        """
        from workers.inner.optimizers import Sgd

        return Sgd(rates)

    def adapts(self, model: FunctionalModel) -> Sequence[bool]:
        """Tell for each weight whether the inner loop changes it."""
        if self.adapted == "head":
            return model.is_head
        return [not head for head in model.is_head] if self.adapted == "body" else model.adapts

    def extras(self, model: FunctionalModel) -> list[Extra]:
        """List what is meta-learned beside the model's weights, behind them in theta."""
        return []

    def check_task(self, task: AnyTask) -> None:
        """Raise ValueError if these settings do not suit the task."""

    @property
    def needs_head(self) -> bool:
        """Whether it tells the model's head from the rest."""
        return self.adapted != "all" or self.over_all_classes

    @property
    def second_order(self) -> bool:
        """Whether training differentiates through its inner loop."""
        return not getattr(self, "first_order", True)

    @property
    def keeps_moments(self) -> bool:
        """Whether a step's tasks start with what the inner optimizer of the step before kept."""
        return False

    @property
    def method(self) -> str:
        """The name of the method in a protocol."""
        return self.title

    @property
    def optimizer_title(self) -> str:
        """What the inner optimizer is called in a protocol."""
        return "sgd"
