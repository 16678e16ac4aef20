"""A policy that is adapted to one environment, and acts in it."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.meta_parameters import Layout, make_train_model
from workers.policies.distributions import distribution_of
from workers.policies.loss import make_objective
from workers.policies.observation_normalizer import ObservationNormalizer
from workers.policies.rollout_runner import make_rollout_runner
from workers.settings.worker import ActorSettings
from workers.tasks.environments.family import EnvironmentFamily
from workers.wire.protocol import Adapted, Block, Recipe, Specs, Weights


class AdaptedPolicy:
    """A policy with the weights that it was adapted to.

    adapted: its weights.
    normalizer: of the observations of its environment, with a task axis of size 1.
    returns: of each evaluation episode after 0, 1, ... inner steps: float64 [inner_steps + 1,
      episodes].
    """

    def __init__(
        self,
        settings: ActorSettings,
        family: EnvironmentFamily,
        specs: Specs,
        weights: Weights,
        recipe: Recipe,
    ):
        """Adapt: alternate between collecting episodes and taking inner steps.

        Args:
          specs: of a single task of the family.
        Raises:
          ValueError: a reward or an observation is not finite.
          NonFiniteError: the inner loop diverged.
        """
        self._family, self._distribution = family, distribution_of(family)
        self._model = make_train_model(settings, family)
        objective = make_objective(settings, family, self._model)
        runner = make_rollout_runner(settings, family, self._model, objective)
        block = Block("adapt", 0, 0, 0, 1, specs, recipe)
        constants = tf.constant(weights.theta), tf.constant(weights.carry)
        result = runner.run((*constants, tf.constant(weights.step, tf.int32)), block)
        self.normalizer = ObservationNormalizer.of_results(result)
        self.adapted = Adapted(result["theta"][0], result["statistics"][0])
        self.returns: NDArray[np.float64] = result["return"][0].astype(np.float64)
        layout = Layout(self._model.names, self._model.shapes)
        self._theta = layout.split(tf.constant(self.adapted.theta))

    def play(self, environment: Any, horizon: int, seed: int) -> list[list[float]]:
        """Play an episode in a gymnasium environment; return the actions before clipping."""
        rng, actions = np.random.default_rng(seed), list[list[float]]()
        observation = environment.reset(seed=seed)[0]
        for _ in range(horizon):
            action = self._draw(observation, rng)
            actions.append(action.tolist())
            observation, _, terminated, truncated, _ = environment.step(
                self._family.environment_action(action)
            )
            if terminated or truncated:
                break
        return actions

    def act(self, observation: Any, rng: np.random.Generator | None = None) -> Any:
        """Choose an action, in the form that the environment's `step` takes.

        Args:
          observation: as the environment returns it.
          rng: generator to draw the action with; None: take the likeliest action.
        Raises:
          ValueError: the observation has another shape, or is not finite.
        """
        return self._family.environment_action(self._draw(observation, rng))

    def _draw(self, observation: Any, rng: np.random.Generator | None) -> NDArray[np.float32]:
        values = np.asarray(self._family.observed(observation), np.float32)
        if not np.isfinite(values).all():
            raise ValueError(
                f"an observation contains {values[~np.isfinite(values)][0]}; use finite numbers"
            )
        state = self._model.start([], tf.zeros(2, tf.int32))
        inputs = tf.constant(self.normalizer(values[None]))
        outputs, _ = self._model.apply(self._theta, state, inputs, training=False)
        noise = self._distribution.noise(rng or np.random.default_rng(0), (1,))
        if rng is None:
            noise = np.zeros_like(noise)
        action: NDArray[np.float32] = self._distribution.act(outputs, noise).numpy()[0]
        return action
