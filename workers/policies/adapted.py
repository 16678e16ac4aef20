"""A policy that is adapted to one environment, and acts in it."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.meta_parameters import Layout, make_train_model
from workers.policies.distributions import distribution_of
from workers.policies.loss import make_objective
from workers.policies.observation_normalizer import view_of
from workers.policies.rollout_adaptation import Practice
from workers.settings.environments import EnvironmentTask
from workers.settings.worker import WorkerSettings
from workers.tasks.environments.family import EnvironmentFamily
from workers.wire.protocol import Adapted, Block, Recipe, Specs, Weights


class AdaptedPolicy:
    """What it was adapted to, and what it does.

    adapted: its weights. view: how it sees observations, of one task. returns: of each episode that
    it was judged by, after 0, 1, ... inner steps: float64 [inner_steps + 1, episodes].
    """

    def __init__(
        self,
        settings: WorkerSettings,
        family: EnvironmentFamily,
        specs: Specs,
        weights: Weights,
        recipe: Recipe,
    ):
        """Make episodes and take inner steps, by turns.

        Args:
          specs: of a single task of the family.
        Raises:
          ValueError: a reward or an observation is not finite.
          NonFiniteError: the inner loop diverged.
        """
        self._family, self._distribution = family, distribution_of(family)
        self._model = make_train_model(settings, family)
        objective = make_objective(settings, family, self._model)
        assert isinstance(settings.task, EnvironmentTask)
        self.view = view_of(family, specs, settings.task.normalize)
        practice = Practice(settings, family, self._model, objective)
        block = Block("adapt", 0, 0, 0, 1, specs, recipe)
        constants = tf.constant(weights.theta), tf.constant(weights.carry)
        found = practice.run((*constants, tf.constant(weights.step, tf.int32)), block)
        self.adapted = Adapted(found["theta"][0], found["statistics"][0])
        self.returns: NDArray[np.float64] = found["return"][0].astype(np.float64)
        layout = Layout(self._model.names, self._model.shapes)
        self._theta = layout.split(tf.constant(self.adapted.theta))

    def play(self, environment: Any, horizon: int, seed: int) -> list[list[float]]:
        """An episode in an environment of gymnasium: the actions drawn, before they are clipped."""
        rng, actions = np.random.default_rng(seed), list[list[float]]()
        seen = environment.reset(seed=seed)[0]
        for _ in range(horizon):
            action = self._chosen(seen, rng)
            actions.append(action.tolist())
            seen, _, terminated, truncated, _ = environment.step(
                self._family.environment_action(action)
            )
            if terminated or truncated:
                break
        return actions

    def act(self, observation: Any, rng: np.random.Generator | None = None) -> Any:
        """What the environment's `step` takes.

        Args:
          observation: [*input_shape]. rng: what actions are drawn with; None: the likeliest one.
        Raises:
          ValueError: another shape, or not finite.
        """
        return self._family.environment_action(self._chosen(observation, rng))

    def _chosen(self, observation: Any, rng: np.random.Generator | None) -> NDArray[np.float32]:
        seen, shape = np.asarray(observation, np.float32), self._family.input_shape
        if seen.shape != shape:
            raise ValueError(
                f"an observation of shape {list(seen.shape)}; the policy sees {list(shape)}"
            )
        if not np.isfinite(seen).all():
            raise ValueError(f"an observation has {seen[~np.isfinite(seen)][0]} in it; mend it")
        state = self._model.start([], tf.zeros(2, tf.int32))
        given = tf.constant(self.view(seen[None]))
        outputs, _ = self._model.apply(self._theta, state, given, training=False)
        noise = self._distribution.noise(rng or np.random.default_rng(0), (1,))
        if rng is None:
            noise = np.zeros_like(noise)
        chosen: NDArray[np.float32] = self._distribution.act(outputs, noise).numpy()[0]
        return chosen
