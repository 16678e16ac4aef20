"""RL^2: a recurrent policy learns a task while it acts in it (Duan et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from workers.algorithms.algorithm import Algorithm
from workers.settings.section import setting

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.algorithms.algorithm import Start
    from workers.inner.losses import Metrics, Objective, Theta
    from workers.models.model import Model
    from workers.settings.environments.environment_task import EnvironmentTask
    from workers.settings.task import AnyTask
    from workers.tasks.family import TaskFamily
    from workers.wire.protocol import Task
    from workers.wire.tensors import Shape

_BY_EPISODE = "whose policy has no inner steps: it is scored in each episode of a trial"


class Rl2Algorithm(Algorithm):
    """Keep a recurrent policy's state over a task's episodes (Duan et al. 2016, arXiv:1611.02779).

    A trial is `episodes` episodes of one task. The policy sees its last action, its last reward and
    whether an episode has ended, beside the observation. Its loss is that of all steps of a trial.
    """

    title = "RL^2"
    closed_form = True
    takes_blocks = True
    rollouts = "workers.policies.trials:TrialRunner"
    no_evaluation: ClassVar[Mapping[str, str]] = {
        "inner_lr": _BY_EPISODE,
        "later_lr": _BY_EPISODE,
        "inner_batch": _BY_EPISODE,
        "shots": _BY_EPISODE,
    }
    kind: Literal["rl2"] = "rl2"
    episodes: int = setting(
        3, "episodes of a trial, over which the policy keeps its state, 2 to 100", ge=2, le=100
    )
    action_scale: float = setting(
        1.0, "factor of the actions that the policy sees, > 0: such as 1 over a usual one", gt=0
    )
    reward_scale: float = setting(1.0, "factor of the rewards that the policy sees, > 0", gt=0)
    if not TYPE_CHECKING:  # settings of other algorithms
        inner_lr: ClassVar[float] = 1.0
        inner_loss: ClassVar[str] = "mean"

    def outer_loss(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> tuple[tf.Tensor, Start, Metrics]:
        """Sum the losses of the tasks of a block, each of all its trials.

        Args:
          task: of all tasks, see `TrialRunner.gather`.
        Returns:
          see `Algorithm.outer_loss`; loss_before is that of first episodes, loss_after and return
          are those of last ones.
        """
        import tensorflow as tf

        from workers.models.recurrent.unrolling import unroll

        tasks, trials, steps, numbers = task.query_inputs.shape
        inputs = tf.reshape(task.query_inputs, [tasks * trials, steps, numbers])
        outputs = unroll(objective.model, theta, start.state, inputs)
        by_task = tf.reshape(outputs, [tasks, trials * steps, outputs.shape[-1]])
        losses, metrics = tf.vectorized_map(
            lambda pair: objective.score(*pair), (by_task, task.query_targets)
        )
        del metrics["loss"]
        returns = tf.reduce_mean(task.support_targets, axis=1)
        last = {"loss_after": -returns[:, -1], **metrics, "return": returns[:, -1]}
        metrics = {"loss_before": -returns[:, 0], **last}
        sums = {name: tf.reduce_sum(values) for name, values in metrics.items()}
        return tf.reduce_sum(losses), start, sums

    @property
    def seen_scales(self) -> tuple[float, float]:
        """See `Acting.seen_scales`."""
        return self.action_scale, self.reward_scale

    @property
    def num_episodes(self) -> int:
        """See `Acting.num_episodes`."""
        return self.episodes

    @property
    def adaptation_title(self) -> str:
        """See `Algorithm.adaptation_title`."""
        return "a recurrent policy, whose state is kept over the episodes of a task"

    def steps_of_loss(self, task: EnvironmentTask) -> int:
        """See `Acting.steps_of_loss`: those of a trial."""
        return self.episodes * task.horizon

    def model_inputs(self, model: Model, family: TaskFamily) -> Shape:
        """See `Acting.model_inputs`: what the policy sees of a step, then its state."""
        from workers.models.recurrent.inputs import num_seen

        return (num_seen(family) + model.state_size,)

    def check_task(self, task: AnyTask) -> None:
        """See `Algorithm.check_task`."""
        if not task.acts:
            raise ValueError(
                f"algorithm.kind = {self.kind!r} is for policies, not for task.kind = "
                f"{task.kind!r}; use another algorithm, such as 'maml'"
            )
        for name, why in {
            "shots": "whose policy learns from the earlier episodes of a trial "
            "(algorithm.episodes)",
            "curvature": "which has no inner loop",
        }.items():
            value, usual = getattr(task, name), type(task).model_fields[name].default
            if value != usual:
                raise ValueError(
                    f"task.{name} = {value!r} is not for algorithm.kind = {self.kind!r}, {why}; "
                    f"unset it: it is {usual!r} then"
                )

    def check_model(self, model: Model) -> None:
        """See `Algorithm.check_model`."""
        if not model.state_size:
            raise ValueError(
                f"model.kind = {model.kind!r} keeps no state from step to step, which "
                f"algorithm.kind = {self.kind!r} learns by; use model.kind = 'gaussian_gru', or "
                "'gru' where actions are a choice"
            )

    def check_outer(self, outer: Any) -> None:
        """See `Acting.check_outer`."""
        if outer.optimizer == "trpo":
            raise ValueError(
                f"outer.optimizer = 'trpo' is not for algorithm.kind = {self.kind!r}, which is "
                "trained with PPO; use outer.optimizer = 'adam' and outer.epochs above 1"
            )
        if outer.divergence_penalty:
            raise ValueError(
                f"outer.divergence_penalty = {outer.divergence_penalty:g} is for policies at the "
                f"start of inner steps, which algorithm.kind = {self.kind!r} has not; unset it"
            )

    @classmethod
    def steps_to_evaluate(cls, table: Mapping[str, Any]) -> list[int]:
        """See `Acting.steps_to_evaluate`: the last episode is scored."""
        episodes = table.get("episodes", cls.model_fields["episodes"].default)
        return [max(episodes - 1, 1) if type(episodes) is int else 1]

    def check_evaluation(self, evaluation: Any) -> None:
        """See `Acting.check_evaluation`."""
        if evaluation.inner_steps != (self.episodes - 1,):
            raise ValueError(
                f"evaluation.inner_steps = {list(evaluation.inner_steps)} is not for "
                f"algorithm.kind = {self.kind!r}, {_BY_EPISODE} (algorithm.episodes = "
                f"{self.episodes}); unset it, or use [{self.episodes - 1}]"
            )
