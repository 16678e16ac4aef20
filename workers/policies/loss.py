"""The loss of a policy: minus the mean return of episodes, with derivatives of its expectation."""

import copy
from collections.abc import Callable, Mapping

import tensorflow as tf

from workers.inner.inner_loop import batch
from workers.inner.losses import Loss, Metrics, Objective, Starts, Theta
from workers.models.functional import FunctionalModel, State
from workers.policies.distributions import Distribution, distribution_of
from workers.policies.trajectory import Moves, part
from workers.settings.environments import EnvironmentTask
from workers.settings.worker import WorkerSettings
from workers.tasks.environments.family import has_environments
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Task

#: (outputs, targets) -> a scalar to be descended.
Judge = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class PolicyLoss:
    """A surrogate, on episodes that a policy with other weights, or the same, has made.

    At the weights that acted its value is minus the mean return. Its derivatives there are, in
    expectation, those of minus the expected return, per step: of the first order, and with
    `curvature` "dice" of any. Elsewhere it weighs what was done by how likely it has become.

    Source: Foerster et al. 2018, arXiv:1802.05098, with advantages as in Farquhar et al. 2019,
    arXiv:1909.10549; "per_step": Rothfuss et al. 2019, arXiv:1810.06784, section 5.
    """

    def __init__(self, distribution: Distribution, horizon: int, curvature: str):
        """For episodes of `horizon` steps; curvature: see `settings.environments`."""
        self._distribution, self._horizon = distribution, horizon
        self._dice = curvature == "dice"

    def mean(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """The loss, a scalar.

        Args:
          outputs: [episodes * horizon, num_outputs]. targets: Moves, joined, likewise.
        """
        moves, now = self._moves(outputs, targets)
        gained = self._log_prob(now, moves) - self._log_prob(moves.outputs, moves)
        if self._dice:
            # The difference of two products of ratios: all up to this step, and all before it.
            so_far = tf.cumsum(gained, axis=-1)
            weights = tf.exp(so_far) - tf.exp(so_far - gained)
        else:
            weights = tf.exp(gained) - 1
        surrogate = tf.reduce_sum(weights * moves.advantages) / tf.reduce_sum(moves.taken)
        return -self._mean_return(moves) - surrogate

    def gain(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """How much better than what was done, per step: of each step's ratio alone, 0 where it was.

        Without the return, beside which a float32 would not show a small gain.
        """
        moves, now = self._moves(outputs, targets)
        ratio = tf.exp(self._log_prob(now, moves) - self._log_prob(moves.outputs, moves))
        return tf.reduce_sum((ratio - 1) * moves.advantages) / tf.reduce_sum(moves.taken)

    def clipped(self, outputs: tf.Tensor, targets: tf.Tensor, most: tf.Tensor) -> tf.Tensor:
        """As `mean`, step by step, but nothing is gained by ratios beyond 1 +- `most`.

        Source: Schulman et al. 2017, arXiv:1707.06347, section 3.
        """
        moves, now = self._moves(outputs, targets)
        ratio = tf.exp(self._log_prob(now, moves) - self._log_prob(moves.outputs, moves))
        bounded = tf.clip_by_value(ratio, 1 - most, 1 + most)
        gain = tf.minimum(ratio * moves.advantages, bounded * moves.advantages) - moves.advantages
        return -self._mean_return(moves) - tf.reduce_sum(gain) / tf.reduce_sum(moves.taken)

    def returns(self, outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
        """The mean return of the episodes, not discounted."""
        return self._mean_return(self._moves(outputs, targets)[0])

    def divergence(self, outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
        """Of what the policy does now from what it did, mean over steps; nats."""
        moves, now = self._moves(outputs, targets)
        each = self._distribution.divergence(moves.outputs, now) * moves.taken
        return tf.reduce_sum(each) / tf.reduce_sum(moves.taken)

    def bent(self, outputs: tf.Tensor, targets: tf.Tensor, along: tf.Tensor) -> tf.Tensor:
        """What has the divergence's second derivative, times a direction, as its gradient.

        Where the policy does what it did the divergence is least, and its second derivative with
        respect to weights is J'HJ: H with respect to outputs, J of these.

        Args:
          along: J times the direction, like outputs.
        Source: Schraudolph 2002, "Fast curvature matrix-vector products".
        """
        here = tf.stop_gradient(outputs)
        with tf.autodiff.ForwardAccumulator(here, tf.stop_gradient(along)) as forward:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(here)
                divergence = self.divergence(here, targets, tf.zeros(()))
            slope = tape.gradient(divergence, here)
        return tf.reduce_sum(tf.stop_gradient(forward.jvp(slope)) * outputs)

    def _moves(self, outputs: tf.Tensor, targets: tf.Tensor) -> tuple[Moves, tf.Tensor]:
        """Both by episode and step."""
        moves = part(targets, self._distribution, self._horizon)
        return moves, tf.reshape(outputs, tf.shape(moves.outputs))

    def _log_prob(self, outputs: tf.Tensor, moves: Moves) -> tf.Tensor:
        return self._distribution.log_prob(outputs, moves.actions) * moves.taken

    @staticmethod
    def _mean_return(moves: Moves) -> tf.Tensor:
        return tf.reduce_mean(tf.reduce_sum(moves.rewards, axis=-1))


def make_objective(
    settings: WorkerSettings, family: TaskFamily, model: FunctionalModel
) -> Objective:
    """What tasks of `family` ask of a model."""
    if not has_environments(family):
        return Objective.of_tasks(settings, family, model)
    task = settings.task
    assert isinstance(task, EnvironmentTask)
    settings.model.check_family(family)
    loss = PolicyLoss(distribution_of(family), task.horizon, task.curvature)
    metrics = {"return": loss.returns, "divergence": loss.divergence}
    return PolicyObjective(model, loss, metrics)


class PolicyObjective(Objective):
    """The inner loop descends the loss; so does the outer, but for `judged_by` and `kept_near`.

    policy_loss: what there is to be judged by.
    """

    of_steps = ("divergence",)

    def __init__(
        self,
        model: FunctionalModel,
        policy_loss: PolicyLoss,
        metrics: Mapping[str, Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]],
    ):
        super().__init__(model, Loss(policy_loss.mean, metrics), "mean", 1)
        self.policy_loss = policy_loss
        self._judge: Judge = policy_loss.mean
        self._penalty: tf.Tensor | None = None

    def judged_by(self, judge: Judge) -> "PolicyObjective":
        """The same inner loss, with `judge` as the outer."""
        other = copy.copy(self)
        other._judge = judge
        return other

    def kept_near(self, penalty: tf.Tensor) -> "PolicyObjective":
        """The same, with a price for what policies do at the start of inner steps.

        Args:
          penalty: scalar, >= 0: of a nat by which that diverges, on average, from what they did
            there.
        """
        other = copy.copy(self)
        other._penalty = penalty
        return other

    def score(self, outputs: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, Metrics]:
        """See `Objective.score`."""
        loss = self._judge(outputs, targets)
        found = {name: of(outputs, targets, loss) for name, of in self._loss.metrics.items()}
        return loss, {"loss": loss, **found}

    def penalized(self, loss: tf.Tensor, starts: Starts, task: Task) -> tf.Tensor:
        """See `Objective.penalized`.

        Source: Rothfuss et al. 2019, arXiv:1810.06784, section 6.
        """
        if self._penalty is None:
            return loss
        divergences = []
        for step, (theta, state) in enumerate(starts):
            inputs, targets = batch(task, step)
            outputs, _ = self.model.apply(theta, state, inputs)
            divergences.append(self.policy_loss.divergence(outputs, targets, loss))
        return loss + self._penalty * tf.add_n(divergences) / len(divergences)

    def on_the_way(self, theta: Theta, state: State, task: Task, step: int) -> Metrics:
        """See `Objective.on_the_way`: of the episodes that the next inner step learns from."""
        inputs, targets = batch(task, step)
        outputs, _ = self.model.apply(theta, state, inputs)
        return self.score(outputs, targets)[1]
