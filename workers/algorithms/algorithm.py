"""The base class of algorithms: their settings, and the outer gradient of one task.

Records are part of the configuration, which loads without TensorFlow; methods import it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

from workers.algorithms.acting import Acting

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.inner.inner_loop import InnerState, Plan
    from workers.inner.losses import Metrics, Objective, Theta
    from workers.inner.optimizers import InnerOptimizer, Moments
    from workers.models.functional import FunctionalModel, State
    from workers.models.model import Model
    from workers.settings.task import AnyTask
    from workers.tasks.family import TaskFamily
    from workers.wire.protocol import Task
    from workers.wire.tensors import Shape

    Outcome = tuple[list[tf.Tensor], "Start", Metrics]
    #: Outputs for the queries -> what is recorded of them, by name.
    Recorder = Callable[[tf.Tensor], dict[str, tf.Tensor]]


class Start(NamedTuple):
    """What all tasks of a step start from beside theta, and what a task leaves for the next step.

    state: of the model's layers.
    moments: of the inner optimizer; empty: fresh for every task.
    outer_step: outer steps done.
    """

    state: State
    moments: Moments
    outer_step: Any


class Extra(NamedTuple):
    """A meta-parameter beside the model's weights.

    name: in theta.
    shape: of the array.
    value: initial value of all its numbers.
    """

    name: str
    shape: Shape
    value: float


class Algorithm(Acting):
    """A meta-learning algorithm.

    A new algorithm defines `title`, and either `outer_loss` or, if its outer gradient is not the
    gradient of a loss, `outer_gradient`.

    title: name for people.
    adapted: the weights that the inner loop changes.
    has_outer_loss: whether the outer gradient is the gradient of `outer_loss`.
    fine_tunes: whether tasks are adapted to only after training.
    over_all_classes: whether training classifies over all training classes at once, with a head
      for them.
    several_steps: whether it makes little sense with a single inner step.
    computes_head: whether a task's head is computed from its support set. theta then holds the
      model in front of its head, and a task may have any number of classes.
    closed_form: whether it adapts at once, without inner steps and their rate.
    rates: default inner rates that validation chooses from; empty: those of the family of tasks.
    statistics: values of `model.statistics` that it takes, the default first; empty: all.
    no_evaluation: key of [evaluation] that does not apply -> reason.
    """

    title: ClassVar[str]
    adapted: ClassVar[Literal["all", "head", "body", "context"]] = "all"
    has_outer_loss: ClassVar[bool] = True
    fine_tunes: ClassVar[bool] = False
    over_all_classes: ClassVar[bool] = False
    several_steps: ClassVar[bool] = False
    computes_head: ClassVar[bool] = False
    closed_form: ClassVar[bool] = False
    rates: ClassVar[tuple[float, ...]] = ()
    statistics: ClassVar[tuple[str, ...]] = ()
    no_evaluation: ClassVar[Mapping[str, str]] = {}

    if TYPE_CHECKING:
        inner_lr: float
        inner_loss: Literal["mean", "sum_over_shots"]

    def outer_loss(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> tuple[tf.Tensor, Start, Metrics]:
        """Compute the scalar whose gradient with respect to theta is the task's outer gradient.

        Args:
          theta: list of float [*shape_i], all meta-learned parameters.
        Returns:
          the loss, then the last two results of `outer_gradient`.
        """
        raise NotImplementedError

    def outer_gradient(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> Outcome:
        """Compute a task's outer gradient.

        Returns:
          the outer gradient (a list like theta), what the task leaves for the next step, and
          scalar metrics: loss_before (mean support loss before adaptation), loss_after and
          others (on the queries after adaptation).
        """
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            loss, final, metrics = self.outer_loss(objective, theta, start, task)
        return tape.gradient(loss, theta, unconnected_gradients="zero"), final, metrics

    def start_inner_loop(
        self, model: FunctionalModel, theta: Theta, start: Start, inner_lr: Any
    ) -> tuple[InnerState, Plan]:
        """Make the initial state and the plan of a task's inner loop, in training and evaluation.

        Args:
          theta: list of float [*shape_i], all meta-learned parameters.
          inner_lr: step size, > 0.
        """
        return self.start_for_weights(self.adapts(model), theta, start, inner_lr)

    def start_for_weights(
        self, adapts: Sequence[bool], theta: Theta, start: Start, inner_lr: Any
    ) -> tuple[InnerState, Plan]:
        """Make an inner loop that changes some of the weights, all with the same rate."""
        from workers.inner.inner_loop import InnerState, Plan

        optimizer = self.optimizer(inner_lr, start.outer_step)
        chosen = [w for w, adapted in zip(theta, adapts, strict=True) if adapted]
        moments = start.moments or optimizer.init(chosen)
        plan = Plan(optimizer, adapts, not self.second_order, self.largest_norm)
        return InnerState(list(theta), moments, start.state), plan

    def start_on(
        self, objective: Objective, theta: Theta, start: Start, task: Task, inner_lr: Any
    ) -> tuple[InnerState, Plan]:
        """Make the initial state and the plan of the inner loop on a held-out task.

        Its inner gradients are constants: nobody differentiates through them.
        """
        state, plan = self.start_inner_loop(objective.model, theta, start, inner_lr)
        return state, plan._replace(first_order=True)

    def adapt_at_once(
        self,
        objective: Objective,
        theta: Theta,
        start: Start,
        task: Task,
        record: Recorder | None,
    ) -> tuple[dict[str, tf.Tensor], InnerState]:
        """Adapt to a held-out task without inner steps, where `closed_form`.

        Args:
          theta: list of float [*shape_i], all meta-learned parameters.
          record: makes records of the outputs for the queries; None: nothing is recorded.
        Returns:
          the records before and after, name -> [2, ...], and the state after.
        """
        raise NotImplementedError

    def optimizer(self, rates: Any, outer_step: Any) -> InnerOptimizer:
        """Make the inner optimizer.

        Args:
          rates: the step size, or a list of step sizes like the weights.
          outer_step: number of outer steps done, for the bias correction of persistent moments.
        """
        from workers.inner.optimizers import Sgd

        return Sgd(rates)

    def at(self, outer_step: int) -> Self:
        """Return the algorithm of an outer step, which counts from 0.

        A function of the step alone: all of a run, resumed or not, has the same one there. Equal
        algorithms share a compiled graph.
        """
        return self

    @property
    def changes_at(self) -> Sequence[int]:
        """The outer steps, > 0 and in order, from which on `at` returns another algorithm."""
        return ()

    @property
    def costliest(self) -> Self:
        """The algorithm with all that any of its outer steps computes, for forecasts."""
        return self

    @property
    def uses_outer_step(self) -> bool:
        """Whether an outer gradient depends on `Start.outer_step`."""
        return self.keeps_moments

    def adapts(self, model: FunctionalModel) -> Sequence[bool]:
        """List for each weight whether the inner loop changes it."""
        if self.adapted == "all":
            return model.adapts
        chosen = self.adapted == "head"
        pairs = zip(model.adapts, model.is_head, strict=True)
        return [adapts and head == chosen for adapts, head in pairs]

    def extras(self, model: FunctionalModel) -> list[Extra]:
        """List the meta-parameters beside the model's weights; they follow these in theta."""
        return []

    def learned(self, model: FunctionalModel) -> FunctionalModel:
        """Return the model whose weights are in theta, made of the one that predicts.

        Raises:
          ValueError: the model is none for these settings.
        """
        return model

    def check_task(self, task: AnyTask) -> None:
        """Raise ValueError if these settings do not suit the task."""

    def check_model(self, model: Model) -> None:
        """Raise ValueError if these settings do not suit the model, whose network is not built."""

    def check_family(self, family: TaskFamily) -> None:
        """Raise ValueError if the tasks, now that their data are open, do not suit the settings."""

    @property
    def needs_head(self) -> bool:
        """Whether it treats the model's head differently from the rest."""
        return self.adapted in ("head", "body") or self.over_all_classes or self.computes_head

    @property
    def second_order(self) -> bool:
        """Whether training differentiates through its inner loop."""
        return not getattr(self, "first_order", True)

    @property
    def learns_unadapted(self) -> bool:
        """Whether weights that the inner loop does not change are learned too."""
        return self.has_outer_loss

    @property
    def num_context(self) -> int:
        """The number of context parameters that the model has for it."""
        return 0

    @property
    def goes_back(self) -> bool:
        """Whether training goes back through its inner steps, which then take memory."""
        return bool(self.training_steps)

    @property
    def without_second_order(self) -> str:
        """The setting of a similar algorithm that needs no second derivative."""
        return "algorithm.first_order = true"

    @property
    def learned_rates(self) -> str:
        """What has an inner rate that is meta-learned: "each weight"; "": nothing."""
        return ""

    @property
    def training_steps(self) -> int:
        """Inner steps in training; 0: it has no inner loop there."""
        return 0

    @property
    def largest_norm(self) -> float | None:
        """The global norm to which inner gradients are clipped; None: they are not."""
        return None

    @property
    def keeps_moments(self) -> bool:
        """Whether tasks start with the inner optimizer's moments from the previous step."""
        return False

    @property
    def method(self) -> str:
        """The name of the method in a protocol."""
        return self.title

    @property
    def adaptation_title(self) -> str | None:
        """How a task is adapted to, in a protocol; None: by inner steps alone."""
        return None

    @property
    def optimizer_title(self) -> str:
        """The name of the inner optimizer in a protocol."""
        return "sgd"
