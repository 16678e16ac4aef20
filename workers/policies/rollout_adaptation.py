"""Tasks whose examples the learner makes itself: rollouts and inner steps by turns."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.inner.inner_loop import Learner
from workers.inner.losses import Objective
from workers.models.functional import FunctionalModel
from workers.policies.distributions import distribution_of
from workers.policies.observation_normalizer import View, streams, view_of
from workers.policies.policy_batch import Constants, SideBySide, without_lost
from workers.policies.rollouts import Rollout, roll_out
from workers.policies.trajectory import Moves, join
from workers.settings.environments import EnvironmentTask
from workers.settings.worker import WorkerSettings
from workers.tasks.environments.family import EnvironmentFamily
from workers.wire.errors import NonFiniteError
from workers.wire.protocol import Array, Block, Specs, Task

_SUPPORT, _QUERY = 0, 1


class Practice:
    """Blocks of tasks in environments: all of a block adapt side by side.

    What happens in an episode is a function of its task's seed, the number of inner steps before
    it, and whether it is to learn from or to be judged by.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        family: EnvironmentFamily,
        model: FunctionalModel,
        objective: Objective,
    ):
        assert isinstance(settings.task, EnvironmentTask)
        self._algorithm, self._task, self._family = settings.algorithm, settings.task, family
        self._distribution = distribution_of(family)
        self._policies = SideBySide(settings, family, model, objective)

    @property
    def num_traces(self) -> int:
        """Graphs that were traced."""
        return self._policies.num_traces

    def gather(self, constants: Constants, block: Block) -> Task:
        """Training tasks: the episodes of every inner step, and those after the last.

        The batch of an inner step is what the policy that it adapts has made.
        """
        algorithm, specs = self._algorithm, block.specs
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
                learner = self._policies.step(constants, learner, support, step, rate)
                learner, at_once = without_lost(learner)
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
          NonFiniteError: "adapt" came to weights or outputs that are not finite.
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
            self._check(block, lost, step)
            record = _RECORDS[block.kind](after)
            record[lost] = np.nan
            records.append(record)
            if step < recipe.inner_steps:
                number = recipe.shots or task.shots
                episodes = self._roll_out(learner, view, block.specs, step, _SUPPORT, number)
                lost |= episodes.diverged
                self._check(block, lost, step)
                support = self._examples(episodes, view)
                rate = recipe.inner_lr * (recipe.later_lr if step else 1)
                learner = self._policies.step(constants, learner, support, step, rate)
                learner, at_once = without_lost(learner)
                lost |= at_once
                self._check(block, lost, step + 1)
        name = "outputs" if block.kind == "predict" else "return"
        found = {name: np.stack(records, axis=1)}
        return found if block.kind != "adapt" else {**found, **self._policies.hand_over(learner)}

    @staticmethod
    def _check(block: Block, lost: NDArray[np.bool_], inner_steps: int) -> None:
        """Whoever adapts to an environment of their own is told; an evaluation has gaps."""
        assert block.recipe is not None
        if block.kind != "adapt" or not lost.any():
            return
        if not inner_steps:
            raise NonFiniteError("the policy is not finite before it adapts; train it anew")
        raise NonFiniteError(
            f"the policy is not finite after {inner_steps} inner step{'s' * (inner_steps != 1)} "
            f"from rate {block.recipe.inner_lr:g}; lower --inner-lr, or look for outlandish rewards"
        )

    def _begin(self, constants: Constants, block: Block) -> tuple[Learner, View]:
        """What the tasks start from, with a task axis in front, and how they are seen."""
        num_tasks = block.hi - block.lo
        learner = self._policies.start(constants, num_tasks)
        return learner, view_of(self._family, block.specs, self._task.normalize)

    def _roll_out(
        self, learner: Learner, view: View, specs: Specs, step: int, role: int, num_episodes: int
    ) -> Rollout:
        """Episodes of the learner's policy after `step` inner steps."""
        generators = streams(specs, 2 * step + role)
        shape = (num_episodes, self._family.horizon)
        noise = np.stack([self._distribution.noise(rng, shape) for rng in generators])

        def act(observations: Array, noise: Array) -> tuple[Array, Array]:
            return self._policies.act(learner, view(observations), noise)

        return roll_out(self._family, specs, generators, act, noise)

    def _examples(self, episodes: Rollout, view: View) -> tuple[Array, Array]:
        """Episodes as inputs and targets, [tasks, episodes * horizon, ...]."""
        inputs = view(episodes.observations)
        better = self._policies.judge(inputs, episodes.rewards, episodes.taken)
        moves = Moves(episodes.actions, episodes.rewards, better, episodes.taken, episodes.outputs)
        targets = join(moves)
        tasks, examples = len(inputs), inputs.shape[1] * inputs.shape[2]
        return (
            inputs.reshape(tasks, examples, *inputs.shape[3:]),
            targets.reshape(tasks, examples, targets.shape[-1]),
        )


def _observed(episodes: Rollout) -> Array:
    axes = episodes.observations.ndim - episodes.taken.ndim
    taken = episodes.taken.reshape(*episodes.taken.shape, *[1] * axes)
    observed: Array = np.where(taken == 1, episodes.observations, np.float32(np.nan))
    return observed


#: What is kept of the episodes after each inner step, by the kind of block.
_RECORDS: dict[str, Callable[[Rollout], Array]] = {
    "evaluate": lambda episodes: np.mean(episodes.returns, axis=-1),
    "predict": _observed,
    "adapt": lambda episodes: episodes.returns,
}
