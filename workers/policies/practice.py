"""Tasks whose examples the learner makes itself: rollouts and inner steps by turns."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.algorithms.algorithm import Start
from workers.algorithms.registry import ALGORITHMS
from workers.compiled import Compiled
from workers.errors import NonFiniteError
from workers.inner import Learner, inner_step
from workers.losses import Objective
from workers.meta import carry_layout, theta_layout
from workers.models.functional import FunctionalModel
from workers.policies.advantages import advantages
from workers.policies.distributions import distribution_of
from workers.policies.moves import Moves, join
from workers.policies.rollouts import Rollout, roll_out
from workers.policies.views import View, streams, view_of
from workers.protocol import Array, Block, Specs, Task
from workers.settings.environments import EnvironmentTask
from workers.settings.worker import WorkerSettings
from workers.tasks.environments import EnvironmentFamily

#: theta, carry and step, flat.
Constants = tuple[tf.Tensor, tf.Tensor, tf.Tensor]

_SUPPORT, _QUERY = 0, 1


class Practice:
    """Blocks of tasks in environments: all of a block adapt side by side.

    What happens in an episode is a function of its task's seed, the number of inner steps before
    it, and whether it is to learn from or to be judged by. num_traces: graphs that were traced.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        family: EnvironmentFamily,
        model: FunctionalModel,
        objective: Objective,
    ):
        assert isinstance(settings.task, EnvironmentTask)
        self._settings, self._task, self._family = settings, settings.task, family
        self._model, self._objective = model, objective
        self._algorithm = ALGORITHMS[settings.algorithm.kind]
        self._distribution = distribution_of(family)
        self._theta = theta_layout(settings, model)
        self._carry = carry_layout(settings, model)
        mode, xla = settings.execution
        self._vectorized = mode == "vectorized"
        self.num_traces = 0
        self._start = Compiled(self._start_graph)
        self._act = Compiled(self._traced(self._act_graph), xla)
        self._adapt = Compiled(self._traced(self._adapt_graph), xla)
        self._judge = Compiled(self._judge_graph)

    def gather(self, constants: Constants, block: Block) -> Task:
        """Training tasks: the episodes of every inner step, and those after the last.

        The batch of an inner step is what the policy that it adapts has made.
        """
        algorithm, specs = self._settings.algorithm, block.specs
        inner_steps = getattr(algorithm, "inner_steps", 0)
        later_lr = getattr(algorithm, "later_lr", 1.0)
        learner, view = self._begin(constants, block)
        lost = np.zeros(block.hi - block.lo, bool)
        inputs, targets = [], []
        for step in range(max(inner_steps, 1)):
            shots = self._task.shots
            episodes = self._roll_out(learner, view, specs, step, _SUPPORT, shots)
            lost |= episodes.diverged
            support = self._examples(episodes, view)
            inputs.append(support[0])
            targets.append(support[1])
            if step < inner_steps:
                rate = algorithm.inner_lr * (later_lr if step else 1)
                learner = self._step(constants, learner, support, step, rate)
                learner, at_once = _without_lost(learner)
                lost |= at_once
        queries = self._task.queries
        episodes = self._roll_out(learner, view, specs, inner_steps, _QUERY, queries)
        after = self._examples(episodes, view)
        after[1][lost | episodes.diverged] = np.nan  # as of any other task that diverges
        num_tasks, size = len(after[0]), inputs[0].shape[1]
        batches = np.zeros((num_tasks, 0, 0), np.int32)
        if len(inputs) > 1:
            each = np.arange(len(inputs) * size, dtype=np.int32).reshape(len(inputs), size)
            batches = np.tile(each, (num_tasks, 1, 1))
        seeds = np.zeros((num_tasks, 2), np.int32)
        support = np.concatenate(inputs, axis=1), np.concatenate(targets, axis=1)
        return Task(*map(tf.constant, (*support, *after, batches, seeds)))

    def run(self, constants: Constants, block: Block) -> dict[str, Array]:
        """Held-out tasks, before and after each inner step.

        Returns:
          "evaluate": "return", [tasks, inner_steps + 1]: the mean over episodes. "predict":
          "outputs", what was observed, as the environment says it, [tasks, inner_steps + 1,
          episodes, horizon, ...], NaN once an episode is over. "adapt": "return" of each episode,
          [tasks, inner_steps + 1, episodes], and what each task was adapted to, see `Adapted`. NaN
          where the policy is not finite any more, as at too high a rate.
        Raises:
          NonFiniteError: "adapt" came to weights that are not finite.
        """
        recipe, task = block.recipe, self._task
        assert recipe is not None
        learner, view = self._begin(constants, block)
        records: list[Array] = []
        lost = np.zeros(block.hi - block.lo, bool)
        for step in range(recipe.inner_steps + 1):
            number = recipe.queries or task.queries
            after = self._roll_out(learner, view, block.specs, step, _QUERY, number)
            lost |= after.diverged
            record = _RECORDS[block.kind](after)
            record[lost] = np.nan
            records.append(record)
            if step < recipe.inner_steps:
                number = recipe.shots or task.shots
                episodes = self._roll_out(learner, view, block.specs, step, _SUPPORT, number)
                support = self._examples(episodes, view)
                rate = recipe.inner_lr * (recipe.later_lr if step else 1)
                learner = self._step(constants, learner, support, step, rate)
                learner, at_once = _without_lost(learner)
                lost |= at_once | episodes.diverged
                if block.kind == "adapt" and lost.any():
                    raise _diverged(step, rate)
        name = "outputs" if block.kind == "predict" else "return"
        found = {name: np.stack(records, axis=1)}
        return found if block.kind != "adapt" else {**found, **self._hand_over(learner)}

    def _begin(self, constants: Constants, block: Block) -> tuple[Learner, View]:
        """What the tasks start from, with a task axis in front, and how they are seen."""
        num_tasks = block.hi - block.lo
        learner = self._start(num_tasks, *constants, tf.zeros((num_tasks, 0)))
        return learner, view_of(self._family, block.specs, self._task.normalize)

    def _roll_out(
        self, learner: Learner, view: View, specs: Specs, step: int, role: int, num_episodes: int
    ) -> Rollout:
        """Episodes of the learner's policy after `step` inner steps."""
        generators = streams(specs, 2 * step + role)
        shape = (num_episodes, self._family.horizon)
        noise = np.stack([self._distribution.noise(rng, shape) for rng in generators])

        def act(observations: Array, noise: Array) -> tuple[Array, Array]:
            given = tf.constant(view(observations)), tf.constant(noise)
            outputs, actions = self._act(observations.shape, learner, *given)
            return outputs.numpy(), actions.numpy()

        return roll_out(self._family, specs, generators, act, noise)

    def _examples(self, episodes: Rollout, view: View) -> tuple[Array, Array]:
        """Episodes as inputs and targets, [tasks, episodes * horizon, ...]."""
        inputs = view(episodes.observations)
        given = [tf.constant(array) for array in (inputs, episodes.rewards, episodes.taken)]
        better = self._judge(inputs.shape, *given).numpy()
        moves = Moves(episodes.actions, episodes.rewards, better, episodes.taken, episodes.outputs)
        targets = join(moves)
        tasks, examples = len(inputs), inputs.shape[1] * inputs.shape[2]
        return (
            inputs.reshape(tasks, examples, *inputs.shape[3:]),
            targets.reshape(tasks, examples, targets.shape[-1]),
        )

    def _step(
        self,
        constants: Constants,
        learner: Learner,
        examples: tuple[Array, Array],
        step: int,
        inner_lr: float,
    ) -> Learner:
        """One inner step in all tasks, the `step`-th from 0."""
        given = [tf.constant(array) for array in examples]
        rate, number = tf.constant(inner_lr, tf.float32), tf.constant(step)
        return self._adapt(examples[0].shape, *constants, rate, learner, *given, number)

    def _hand_over(self, learner: Learner) -> dict[str, Array]:
        """Weights and running statistics, flat, [tasks, ...]."""
        num_tasks = learner.theta[0].shape[0]

        def flat(arrays: Sequence[tf.Tensor]) -> Array:
            parts = [np.reshape(array.numpy(), (num_tasks, -1)) for array in arrays]
            joined: Array = np.concatenate([np.zeros((num_tasks, 0), np.float32), *parts], axis=1)
            return joined

        return {
            "theta": flat(learner.theta),
            "statistics": flat(self._model.statistics(learner.state)),
        }

    def _start_graph(
        self, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor, tasks: tf.Tensor
    ) -> Learner:
        rate = tf.constant(self._settings.algorithm.inner_lr)
        learner, _ = self._learn(vector, carried, step, rate)
        number = tasks.shape[0]
        return tf.nest.map_structure(lambda array: tf.stack([array] * number), learner)

    def _act_graph(
        self, learner: Learner, observations: tf.Tensor, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def one(task: Any) -> tuple[tf.Tensor, tf.Tensor]:
            learner, observations, noise = task
            outputs, _ = self._model.apply(learner.theta, learner.state, observations)
            return outputs, self._distribution.act(outputs, noise)

        return self._map(one, (learner, observations, noise))

    def _adapt_graph(
        self,
        vector: tf.Tensor,
        carried: tf.Tensor,
        step: tf.Tensor,
        inner_lr: tf.Tensor,
        learner: Learner,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        number: tf.Tensor,
    ) -> Learner:
        _, plan = self._learn(vector, carried, step, inner_lr)
        plan = plan._replace(first_order=True)

        def one(task: Any) -> Learner:
            learner, *examples = task
            return inner_step(self._objective.inner, learner, examples, plan, number)[0]

        return self._map(one, (learner, inputs, targets))

    def _judge_graph(
        self, observations: tf.Tensor, rewards: tf.Tensor, taken: tf.Tensor
    ) -> tf.Tensor:
        task = self._task
        return advantages(
            observations, rewards, taken, task.discount, task.gae_lambda, task.baseline
        )

    def _learn(
        self, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor, inner_lr: tf.Tensor
    ) -> tuple[Learner, Any]:
        start = Start([], self._carry.split(carried), step)
        theta = self._theta.split(vector)
        return self._algorithm.learn(self._model, theta, start, self._settings.algorithm, inner_lr)

    def _map(self, one: Callable[[Any], Any], tasks: Any) -> Any:
        if self._vectorized:
            return tf.vectorized_map(one, tasks)
        first = one(tf.nest.map_structure(lambda array: array[0], tasks))
        signature = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), first)
        return tf.map_fn(one, tasks, fn_output_signature=signature, parallel_iterations=1)

    def _traced(self, graph: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self.num_traces += 1
            return graph(*arguments)

        return counted


def _observed(episodes: Rollout) -> Array:
    axes = episodes.observations.ndim - episodes.taken.ndim
    taken = episodes.taken.reshape(*episodes.taken.shape, *[1] * axes)
    observed: Array = np.where(taken == 1, episodes.observations, np.float32(np.nan))
    return observed


def _without_lost(learner: Learner) -> tuple[Learner, NDArray[np.bool_]]:
    """Tasks whose weights are not finite go on with zeros, which acts; and which these are."""
    lost = np.zeros(learner.theta[0].shape[0], bool)
    for array in learner.theta:
        lost |= ~np.isfinite(array.numpy()).reshape(len(lost), -1).all(axis=1)
    if not lost.any():
        return learner, lost
    theta = [
        tf.where(lost.reshape(-1, *[1] * (array.shape.rank - 1)), tf.zeros_like(array), array)
        for array in learner.theta
    ]
    return learner._replace(theta=theta), lost


def _diverged(step: int, rate: float) -> NonFiniteError:
    return NonFiniteError(
        f"the policy is not finite after {step + 1} inner steps, the last of rate {rate:g}; lower "
        "--inner-lr, or look for outlandish rewards"
    )


#: What is kept of the episodes after each inner step, by the kind of block.
_RECORDS: dict[str, Callable[[Rollout], Array]] = {
    "evaluate": lambda episodes: np.mean(episodes.returns, axis=-1),
    "predict": _observed,
    "adapt": lambda episodes: episodes.returns,
}
