"""Adaptation by rollouts: policies collect their own examples and take inner steps, in turn."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.inner.inner_loop import InnerState
from workers.inner.losses import Objective
from workers.models.functional import FunctionalModel
from workers.policies.distributions import distribution_of
from workers.policies.observation_normalizer import (
    ObservationNormalizer,
    fit_normalizer,
    streams,
)
from workers.policies.policy_batch import Constants, PolicyBatch, without_lost
from workers.policies.records import record_of, stacked
from workers.policies.rollouts import Rollout, roll_out
from workers.policies.trajectory import Trajectory, to_targets
from workers.settings.environments.environment_task import EnvironmentTask
from workers.settings.worker import ActorSettings
from workers.tasks.environments.family import EnvironmentFamily
from workers.wire.errors import NonFiniteError
from workers.wire.protocol import Array, Block, Specs, Task

_SUPPORT, _QUERY = 0, 1


class RolloutAdapter:
    """Runs blocks of tasks in environments; all tasks of a block adapt side by side.

    What happens in an episode is a function of its task's seed, of the number of inner steps before
    it, and of whether it is a support or a query episode.
    """

    def __init__(
        self,
        settings: ActorSettings,
        family: EnvironmentFamily,
        model: FunctionalModel,
        objective: Objective,
    ):
        assert isinstance(settings.task, EnvironmentTask)
        self._algorithm, self._task, self._family = settings.algorithm, settings.task, family
        self._distribution = distribution_of(family)
        self._batch = PolicyBatch(settings, family, model, objective)

    @property
    def num_traces(self) -> int:
        """Graphs that were traced."""
        return self._batch.num_traces

    def gather(self, constants: Constants, block: Block) -> Task:
        """Collect training tasks: the episodes before each inner step, and those after the last.

        The batch of an inner step is the episodes of the policy that the step adapts.
        """
        algorithm, specs = self._algorithm, block.specs
        inner_steps = getattr(algorithm, "inner_steps", 0)
        later_lr = getattr(algorithm, "later_lr", 1.0)
        policies, normalizer = self._begin(constants, block)
        lost = np.zeros(block.hi - block.lo, bool)
        inputs, targets = [], []
        for step in range(max(inner_steps, 1)):
            shots = self._task.shots
            episodes = self._roll_out(policies, normalizer, specs, step, _SUPPORT, shots)
            lost |= episodes.diverged
            support = self._examples(episodes, normalizer)
            inputs.append(support[0])
            targets.append(support[1])
            if step < inner_steps:
                rate = algorithm.inner_lr * (later_lr if step else 1)
                policies = self._batch.step(constants, policies, support, step, rate)
                policies, newly_lost = without_lost(policies)
                lost |= newly_lost
        queries = self._task.queries
        episodes = self._roll_out(policies, normalizer, specs, inner_steps, _QUERY, queries)
        after = self._examples(episodes, normalizer)
        after[1][lost | episodes.diverged] = np.nan  # as of any other task that diverges
        num_tasks, size = len(after[0]), inputs[0].shape[1]
        batches = np.zeros((num_tasks, 0, 0), np.int32)
        if len(inputs) > 1:
            places = np.arange(len(inputs) * size, dtype=np.int32).reshape(len(inputs), size)
            batches = np.tile(places, (num_tasks, 1, 1))
        seeds = np.zeros((num_tasks, 2), np.int32)
        support = np.concatenate(inputs, axis=1), np.concatenate(targets, axis=1)
        return Task(*map(tf.constant, (*support, *after, batches, seeds)))

    def run(self, constants: Constants, block: Block) -> dict[str, Array]:
        """Run held-out tasks before and after each inner step.

        Returns:
          "evaluate": "return", [tasks, inner_steps + 1]: the mean over episodes; and "success", the
            share of episodes with one at any step, if the environments report it.
          "predict": "outputs", the environment's observations, [tasks, inner_steps + 1, episodes,
            horizon, ...], NaN after an episode's end.
          "adapt": "return" of each episode, [tasks, inner_steps + 1, episodes], what each task was
            adapted to, see `Adapted`, and its normalizer, see `ObservationNormalizer.results`.
          NaN where the policy is no longer finite, as at too high a rate.
        Raises:
          NonFiniteError: "adapt" produced weights or outputs that are not finite.
        """
        recipe, task, specs = block.recipe, self._task, block.specs
        assert recipe is not None
        policies, normalizer = self._begin(constants, block)
        records: list[dict[str, Array]] = []
        lost = np.zeros(block.hi - block.lo, bool)
        for step in range(recipe.inner_steps + 1):
            queries = recipe.queries or task.queries
            after = self._roll_out(policies, normalizer, specs, step, _QUERY, queries)
            lost |= after.diverged
            self._check(block, lost, step)
            records.append(record_of(block.kind, after, lost, self._family.reports_success))
            if step < recipe.inner_steps:
                shots = recipe.shots or task.shots
                episodes = self._roll_out(policies, normalizer, specs, step, _SUPPORT, shots)
                lost |= episodes.diverged
                self._check(block, lost, step)
                support = self._examples(episodes, normalizer)
                rate = recipe.inner_lr * (recipe.later_lr if step else 1)
                policies = self._batch.step(constants, policies, support, step, rate)
                policies, newly_lost = without_lost(policies)
                lost |= newly_lost
                self._check(block, lost, step + 1)
        if block.kind != "adapt":
            return stacked(records)
        return stacked(records) | self._batch.adapted(policies) | normalizer.results

    @staticmethod
    def _check(block: Block, lost: NDArray[np.bool_], inner_steps: int) -> None:
        """Refuse a lost task if the user adapts to their own environment; else it stays NaN."""
        assert block.recipe is not None
        if block.kind != "adapt" or not lost.any():
            return
        if not inner_steps:
            raise NonFiniteError("the policy is not finite before it adapts; train it again")
        raise NonFiniteError(
            f"the policy is not finite after {inner_steps} inner step{'s' * (inner_steps != 1)} "
            f"from rate {block.recipe.inner_lr:g}; lower --inner-lr, or look for extreme rewards"
        )

    def _begin(
        self, constants: Constants, block: Block
    ) -> tuple[InnerState, ObservationNormalizer]:
        """Make the tasks' unadapted policies, with a task axis in front, and their normalizer."""
        num_tasks = block.hi - block.lo
        policies = self._batch.start(constants, num_tasks)
        return policies, fit_normalizer(self._family, block.specs, self._task.normalize)

    def _roll_out(
        self,
        policies: InnerState,
        normalizer: ObservationNormalizer,
        specs: Specs,
        step: int,
        role: int,
        num_episodes: int,
    ) -> Rollout:
        """Roll out the policies after `step` inner steps. role: _SUPPORT or _QUERY."""
        generators = streams(specs, 2 * step + role)
        shape = (num_episodes, self._family.horizon)
        noise = np.stack([self._distribution.noise(rng, shape) for rng in generators])

        def act(observations: Array, noise: Array) -> tuple[Array, Array]:
            return self._batch.act(policies, normalizer(observations), noise)

        return roll_out(self._family, specs, generators, act, noise)

    def _examples(
        self, episodes: Rollout, normalizer: ObservationNormalizer
    ) -> tuple[Array, Array]:
        """Turn episodes into inputs and targets, [tasks, episodes * horizon, ...]."""
        inputs = normalizer(episodes.observations)
        advantages = self._batch.advantages(inputs, episodes.rewards, episodes.mask)
        targets = to_targets(
            Trajectory(
                episodes.actions, episodes.rewards, advantages, episodes.mask, episodes.outputs
            )
        )
        tasks, examples = len(inputs), inputs.shape[1] * inputs.shape[2]
        return (
            inputs.reshape(tasks, examples, *inputs.shape[3:]),
            targets.reshape(tasks, examples, targets.shape[-1]),
        )
