"""The loss of a policy: minus the mean return of episodes, with derivatives of its expectation."""

import copy
from collections.abc import Callable, Mapping

import tensorflow as tf

from workers.heads.objective import HeadObjective
from workers.inner.inner_loop import batch
from workers.inner.losses import Metrics, Objective, Starts, Theta
from workers.losses.loss import LossFunctions
from workers.models.functional import FunctionalModel, State
from workers.policies.distributions import Distribution, distribution_of
from workers.policies.trajectory import Trajectory, from_targets
from workers.settings.environments.environment_task import EnvironmentTask
from workers.settings.worker import ActorSettings
from workers.tasks.environments.family import has_environments
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Task

#: (outputs, targets) -> a scalar to minimize.
OuterLoss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class PolicyLoss:
    """A surrogate loss on episodes that the same policy, or one with other weights, has acted.

    At the weights that acted, its value is minus the mean return. Its derivatives there are, in
    expectation, those of minus the expected return, per step: the first one, and with `curvature`
    "dice" all of them. At other weights, each action is weighted by its probability ratio.

    Source: Foerster et al. 2018, arXiv:1802.05098, with advantages as in Farquhar et al. 2019,
    arXiv:1909.10549; "per_step": Rothfuss et al. 2019, arXiv:1810.06784, section 5.
    """

    def __init__(self, distribution: Distribution, horizon: int, curvature: str):
        """Take episodes of `horizon` steps. For `curvature`, see `settings.environments`."""
        self._distribution, self._horizon = distribution, horizon
        self._dice = curvature == "dice"

    def mean(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Compute the loss, a scalar.

        Args:
          outputs: [episodes * horizon, num_outputs].
          targets: [episodes * horizon, numbers], see `to_targets`.
        """
        acted, now = self._trajectory(outputs, targets)
        log_ratio = self._log_ratio(now, acted)
        if self._dice:
            # The difference of two products of ratios: all up to this step, and all before it.
            so_far = tf.cumsum(log_ratio, axis=-1)
            weights = tf.exp(so_far) - tf.exp(so_far - log_ratio)
        else:
            weights = tf.exp(log_ratio) - 1
        surrogate = tf.reduce_sum(weights * acted.advantages) / tf.reduce_sum(acted.mask)
        return -self._mean_return(acted) - surrogate

    def gain(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Compute the expected improvement per step over the policy that acted; 0 at its weights.

        Each step counts with its own ratio alone. The return is left out: next to it, a float32
        would not show a small gain.
        """
        acted, now = self._trajectory(outputs, targets)
        ratio = tf.exp(self._log_ratio(now, acted))
        return tf.reduce_sum((ratio - 1) * acted.advantages) / tf.reduce_sum(acted.mask)

    def clipped(self, outputs: tf.Tensor, targets: tf.Tensor, clip_ratio: tf.Tensor) -> tf.Tensor:
        """Compute PPO's loss: as `mean`, per step, with no gain from ratios beyond 1 +- clip_ratio.

        Source: Schulman et al. 2017, arXiv:1707.06347, section 3.
        """
        acted, now = self._trajectory(outputs, targets)
        ratio = tf.exp(self._log_ratio(now, acted))
        bounded = tf.clip_by_value(ratio, 1 - clip_ratio, 1 + clip_ratio)
        gain = tf.minimum(ratio * acted.advantages, bounded * acted.advantages) - acted.advantages
        return -self._mean_return(acted) - tf.reduce_sum(gain) / tf.reduce_sum(acted.mask)

    def returns(self, outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
        """Compute the mean return of the episodes, not discounted."""
        return self._mean_return(self._trajectory(outputs, targets)[0])

    def kl(self, outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
        """Compute the mean KL divergence per step of the policy from the one that acted; nats."""
        acted, now = self._trajectory(outputs, targets)
        by_step = self._distribution.kl(acted.outputs, now) * acted.mask
        return tf.reduce_sum(by_step) / tf.reduce_sum(acted.mask)

    def fisher_vector_surrogate(
        self, outputs: tf.Tensor, targets: tf.Tensor, along: tf.Tensor
    ) -> tf.Tensor:
        """Compute a scalar whose gradient is the KL divergence's Hessian times a direction.

        At the weights that acted the divergence has its minimum, so its Hessian with respect to
        weights is J'HJ: H with respect to outputs, J the Jacobian of the outputs.

        Args:
          along: J times the direction, like outputs.
        Source: Schraudolph 2002, "Fast curvature matrix-vector products".
        """
        here = tf.stop_gradient(outputs)
        with tf.autodiff.ForwardAccumulator(here, tf.stop_gradient(along)) as forward:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(here)
                kl = self.kl(here, targets, tf.zeros(()))
            slope = tape.gradient(kl, here)
        return tf.reduce_sum(tf.stop_gradient(forward.jvp(slope)) * outputs)

    def _trajectory(self, outputs: tf.Tensor, targets: tf.Tensor) -> tuple[Trajectory, tf.Tensor]:
        """Reshape both to [episodes, horizon, ...]: what was acted, and the outputs now."""
        acted = from_targets(targets, self._distribution, self._horizon)
        return acted, tf.reshape(outputs, tf.shape(acted.outputs))

    def _log_ratio(self, now: tf.Tensor, acted: Trajectory) -> tf.Tensor:
        """Compute the log of each action's probability now over that when it was drawn."""
        return self._log_prob(now, acted) - self._log_prob(acted.outputs, acted)

    def _log_prob(self, outputs: tf.Tensor, acted: Trajectory) -> tf.Tensor:
        return self._distribution.log_prob(outputs, acted.actions) * acted.mask

    @staticmethod
    def _mean_return(acted: Trajectory) -> tf.Tensor:
        return tf.reduce_mean(tf.reduce_sum(acted.rewards, axis=-1))


def make_objective(
    settings: ActorSettings, family: TaskFamily, model: FunctionalModel, padded: bool = False
) -> Objective:
    """Make the objective of a model on tasks of `family`, which may be padded."""
    if settings.algorithm.computes_head:
        return HeadObjective.of_tasks(settings, family, model, padded)
    if not has_environments(family):
        return Objective.of_tasks(settings, family, model, padded)
    task = settings.task
    assert isinstance(task, EnvironmentTask)
    settings.model.check_family(family)
    steps = settings.algorithm.steps_of_loss(task)
    loss = PolicyLoss(distribution_of(family), steps, task.curvature)
    metrics = {"return": loss.returns, "kl": loss.kl}
    return PolicyObjective(model, loss, metrics)


class PolicyObjective(Objective):
    """The objective of a policy: the inner and the outer loop minimize the same loss.

    `with_outer_loss` and `with_kl_penalty` change the outer one.

    policy_loss: the losses that the outer loop can choose from.
    """

    of_steps = ("kl",)

    def __init__(
        self,
        model: FunctionalModel,
        policy_loss: PolicyLoss,
        metrics: Mapping[str, Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]],
    ):
        super().__init__(model, LossFunctions(policy_loss.mean, metrics), "mean", 1)
        self.policy_loss = policy_loss
        self._outer_loss: OuterLoss = policy_loss.mean
        self._kl_penalty: tf.Tensor | None = None

    def with_outer_loss(self, outer_loss: OuterLoss) -> "PolicyObjective":
        """Copy the objective with another outer loss; the inner one stays."""
        other = copy.copy(self)
        other._outer_loss = outer_loss
        return other

    def with_kl_penalty(self, penalty: tf.Tensor) -> "PolicyObjective":
        """Copy the objective with a KL penalty on the policies that the inner steps start from.

        Args:
          penalty: scalar, >= 0: what the outer loss grows by for each nat of KL divergence, on
            average over inner steps, from the policies that acted.
        """
        other = copy.copy(self)
        other._kl_penalty = penalty
        return other

    def score(self, outputs: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, Metrics]:
        """See `Objective.score`."""
        loss = self._outer_loss(outputs, targets)
        metrics = {name: of(outputs, targets, loss) for name, of in self._loss.metrics.items()}
        return loss, {"loss": loss, **metrics}

    def penalized(self, loss: tf.Tensor, starts: Starts, task: Task) -> tf.Tensor:
        """See `Objective.penalized`.

        Source: Rothfuss et al. 2019, arXiv:1810.06784, section 6.
        """
        if self._kl_penalty is None:
            return loss
        kls = []
        for step, (theta, state) in enumerate(starts):
            inputs, targets = batch(task, step)
            outputs, _ = self.model.apply(theta, state, inputs)
            kls.append(self.policy_loss.kl(outputs, targets, loss))
        return loss + self._kl_penalty * tf.add_n(kls) / len(kls)

    def intermediate_metrics(self, theta: Theta, state: State, task: Task, step: int) -> Metrics:
        """See `Objective.intermediate_metrics`; on the episodes of the next inner step."""
        inputs, targets = batch(task, step)
        outputs, _ = self.model.apply(theta, state, inputs)
        return self.score(outputs, targets)[1]
