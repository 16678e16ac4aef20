"""Trials: a recurrent policy acts in several episodes of a task, and keeps its state over them."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from workers.inner.losses import Objective
from workers.models.functional import FunctionalModel
from workers.models.recurrent.inputs import seen
from workers.policies.distributions import distribution_of
from workers.policies.memory import Memory
from workers.policies.observation_normalizer import (
    ObservationNormalizer,
    fit_normalizer,
    streams,
)
from workers.policies.policy_batch import Constants
from workers.policies.records import record_of, stacked
from workers.policies.recurrent_batch import RecurrentBatch
from workers.policies.rollouts import Rollout, act_in, joined
from workers.policies.trajectory import Trajectory, to_targets
from workers.settings.environments.environment_task import EnvironmentTask
from workers.settings.worker import ActorSettings
from workers.tasks.environments.family import EnvironmentFamily
from workers.wire.errors import NonFiniteError
from workers.wire.protocol import Array, Block, Specs, Task

# The streams of episodes after adaptation, as `RolloutAdapter` numbers them.
_QUERY = 1


class TrialRunner:
    """Runs blocks of tasks in environments, with the interface of `RolloutAdapter`.

    What happens in an episode is a function of its task's seed and of the episodes before it.
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
        self._state_size = settings.model.state_size
        self._batch = RecurrentBatch(settings, family, model)

    @property
    def num_traces(self) -> int:
        """Graphs that were traced."""
        return self._batch.num_traces

    def gather(self, constants: Constants, block: Block) -> Task:
        """Collect training trials, `task.queries` of each task.

        Returns:
          a task: query_inputs, what the policy sees, float32 [tasks, trials, steps, numbers], the
          steps of all episodes without gaps between them; query_targets [tasks, trials * steps,
          numbers], see `to_targets`; support_targets, the return of each episode [tasks, trials,
          episodes].
        """
        normalizer = fit_normalizer(self._family, block.specs, self._task.normalize)
        number, queries = self._algorithm.num_episodes, self._task.queries
        episodes = self._run(constants, normalizer, block, number, queries)
        whole, inputs = self._joined(episodes, normalizer)
        advantages = self._batch.advantages(inputs, whole.rewards, whole.mask)
        targets = to_targets(
            Trajectory(whole.actions, whole.rewards, advantages, whole.mask, whole.outputs)
        )
        targets[whole.diverged] = np.nan  # as of any other task that diverges
        tasks = len(targets)
        returns = np.stack([episode.returns for episode in episodes], axis=-1).astype(np.float32)
        arrays = (
            np.zeros((tasks, queries, 0), np.float32),
            returns,
            inputs,
            targets.reshape(tasks, -1, targets.shape[-1]),
            np.zeros((tasks, 0, 0), np.int32),
            np.zeros((tasks, 2), np.int32),
        )
        return Task(*map(tf.constant, arrays))

    def run(self, constants: Constants, block: Block) -> dict[str, Array]:
        """Run held-out tasks: `recipe.inner_steps` + 1 episodes of each.

        Returns:
          as `RolloutAdapter.run`, with an episode in the place of an inner step, and a trial in
          that of an episode.
        Raises:
          NonFiniteError: "adapt" produced outputs that are not finite.
        """
        recipe = block.recipe
        assert recipe is not None
        normalizer = fit_normalizer(self._family, block.specs, self._task.normalize)
        queries = recipe.queries or self._task.queries
        episodes = self._run(constants, normalizer, block, recipe.inner_steps + 1, queries)
        records, lost = [], np.zeros(block.hi - block.lo, bool)
        for episode in episodes:
            lost |= episode.diverged
            if block.kind == "adapt" and lost.any():
                raise NonFiniteError("the policy's outputs are not finite; train it again")
            records.append(record_of(block.kind, episode, lost, self._family.reports_success))
        if block.kind != "adapt":
            return stacked(records)
        return stacked(records) | self._batch.adapted(constants, len(lost)) | normalizer.results

    def _run(
        self,
        constants: Constants,
        normalizer: ObservationNormalizer,
        block: Block,
        num_episodes: int,
        num_trials: int,
    ) -> list[Rollout]:
        """Run all trials of the block's tasks; side by side if the family allows it."""
        specs = block.specs
        theta = self._batch.start(constants, block.hi - block.lo)
        generators = [streams(specs, 2 * episode + _QUERY) for episode in range(num_episodes)]
        shape = num_trials, self._family.horizon
        noise = [
            np.stack([self._distribution.noise(rng, shape) for rng in of_tasks])
            for of_tasks in generators
        ]
        at_once = num_trials if self._family.side_by_side else 1
        parts = []
        for lo in range(0, num_trials, at_once):
            own = [array[:, lo : lo + at_once] for array in noise]
            parts.append(self._trial(theta, normalizer, specs, generators, own))
        return [joined(of_trials) for of_trials in zip(*parts, strict=True)]

    def _trial(
        self,
        theta: list[tf.Tensor],
        normalizer: ObservationNormalizer,
        specs: Specs,
        generators: Sequence[Sequence[np.random.Generator]],
        noise: Sequence[Array],
    ) -> list[Rollout]:
        """Run the episodes of trials, one after another; the memory is theirs alone."""
        tasks, trials = noise[0].shape[:2]
        memory = Memory(
            self._family, (tasks, trials), self._state_size, self._algorithm.seen_scales
        )

        def act(observations: Array, noise: Array) -> tuple[Array, Array]:
            inputs = memory.inputs(_flat(normalizer(observations), 2))
            outputs, actions, state = self._batch.act(theta, inputs, memory.state, noise)
            memory.think(state)
            return outputs, actions

        episodes = []
        for of_tasks, own in zip(generators, noise, strict=True):
            environments = self._family.environments(specs, trials, of_tasks)
            try:
                episodes.append(act_in(environments, act, own, memory.take))
            finally:
                environments.close()
            memory.end_episode()
        return episodes

    def _joined(
        self, episodes: Sequence[Rollout], normalizer: ObservationNormalizer
    ) -> tuple[Rollout, Array]:
        """Join the episodes of trials without gaps, and compute what the policy saw.

        Returns:
          a rollout whose time is that of a trial, and the inputs [tasks, trials, steps, numbers].
        """
        begins = [np.zeros_like(episode.mask) for episode in episodes]
        for array in begins[1:]:
            array[..., 0] = 1
        mask = np.concatenate([episode.mask for episode in episodes], axis=2)
        order = np.argsort(mask == 0, axis=2, kind="stable")

        def without_gaps(arrays: Sequence[Array]) -> Array:
            array = np.concatenate(arrays, axis=2)
            places = order.reshape(*order.shape, *[1] * (array.ndim - order.ndim))
            return np.take_along_axis(array, places, axis=2)

        *by_step, succeeded = zip(*episodes, strict=True)
        observed, outputs, taken, rewarded, present = map(without_gaps, by_step)
        once = np.logical_or.reduce(succeeded)
        whole = Rollout(observed, outputs, taken, rewarded, present, once)
        observations = _flat(normalizer(whole.observations), 3)
        features = _one_later(self._distribution.features(whole.actions))
        rewards = _one_later(whole.rewards)
        ended, scales = without_gaps(begins), self._algorithm.seen_scales
        return whole, seen(observations, features, rewards, ended, scales)


def _one_later(array: Array) -> Array:
    """Shift [tasks, trials, steps, ...] by a step, with 0 at the start."""
    return np.concatenate([np.zeros_like(array[:, :, :1]), array[:, :, :-1]], axis=2)


def _flat(array: Array, axes: int) -> Array:
    """Make one axis of all after the first `axes`."""
    return array.reshape(*array.shape[:axes], -1)
