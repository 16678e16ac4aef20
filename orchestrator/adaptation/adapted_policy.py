"""A run's policy, adapted to a user's own environment."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.checks import change, open_model_file
from orchestrator.evaluate import recipe_at
from workers.execution.fault_isolation import task_error
from workers.losses.registry import loss_of
from workers.settings.environments.environment_task import MOST_EPISODES, EnvironmentTask
from workers.settings.worker import ActorSettings
from workers.tasks.environments.user_environment import UserEnvironment
from workers.wire.errors import MetatrainError
from workers.wire.protocol import Recipe


class Policy:
    """A policy that was adapted to one environment.

    returns: returns of evaluation episodes by inner step, float64 [inner_steps + 1, episodes].
    recipe: how it adapted; shots and queries are episodes.

    Returns of a recurrent policy are by episode, [episodes, trials].

    Example:

        from orchestrator.learner import Learner

        policy = Learner.load("runs/pendulum").adapt_to("Pendulum-v1", {"g": 12.0})
        policy.returns.mean(axis=1)
        policy.act([1.0, 0.0, 0.5])
        policy.save("adapted.keras")
    """

    def __init__(
        self,
        source: Artefact,
        settings: ActorSettings,
        family: UserEnvironment,
        recipe: Recipe,
        seed: int,
    ):
        """Adapt; see `Learner.adapt_to`."""
        from workers.policies.adapted import AdaptedPolicy

        self._settings, self._family, self.recipe = settings, family, recipe
        try:
            self._policy = AdaptedPolicy(
                settings, family, family.specs(seed), source.state.weights, recipe
            )
        except (ValueError, MetatrainError):
            raise
        except Exception as error:  # whatever an environment raises
            raise task_error("the environment raised ", error) from error
        self.returns: NDArray[np.float64] = self._policy.returns

    def act(self, observation: Any, rng: np.random.Generator | None = None) -> Any:
        """Choose an action, as the environment's `step` takes it.

        Args:
          observation: as the environment returns it, [*shape].
          rng: to draw the action with, as in the evaluation episodes; None: the likeliest action.
        Raises:
          ValueError: the observation has another shape, or is not finite; or the policy is
            recurrent.
        """
        check_stateless(self._settings)
        return self._policy.act(observation, rng)

    def save(self, file: str | Path) -> None:
        """Write a .keras file that plain Keras loads.

        The model maps observations [n, *shape] to logits of the actions, or to the means and then
        the logarithms of the standard deviations of the actions. It normalizes observations itself
        if the policy was trained on normalized ones.

        Raises:
          ValueError: `file` exists, or does not end in .keras, or the policy is recurrent.
          MetatrainError: it cannot be written.
        """
        with open_model_file(file) as new:
            new.write(self.as_keras())

    def as_keras(self) -> bytes:
        """Return the content of the file that `save` writes."""
        check_stateless(self._settings)
        from workers.export.plain_keras import as_plain

        observation = np.zeros((1, *self._family.input_shape), np.float32)
        scaling = self._policy.normalizer.scaling
        adapted = self._policy.adapted
        _, content = as_plain(self._settings, self._family, adapted, observation, scaling)
        return content


def check_stateless(settings: ActorSettings) -> None:
    """Raise ValueError if the policy keeps a state: what it does is no function of observations."""
    if settings.algorithm.num_episodes:
        raise ValueError(
            f"a policy of algorithm.kind = {settings.algorithm.kind!r} keeps its state from step "
            "to step: it cannot be saved as a model of observations, nor asked for single actions; "
            "omit --save-model, or train with algorithm.kind = 'maml'"
        )


def check_seed(seed: int) -> int:
    """Return the seed as an int. Raises ValueError if it is out of range."""
    if int(seed) != seed or not 0 <= seed < 2**32:
        raise ValueError(f"seed = {seed}; 0 to 2^32 - 1 is allowed")
    return int(seed)


def renamed_argument(old: str, value: int, new: str, new_value: int | None) -> int:
    """Take an argument under its former name, with a warning.

    Raises:
      ValueError: it is given under both names.
    """
    if new_value is not None:
        raise ValueError(f"{old} is the former name of {new}; give {new} alone")
    warnings.warn(f"{old} is now called {new}; use {new}", DeprecationWarning, stacklevel=3)
    return value


def recipe_of(
    source: Artefact,
    inner_steps: int | None,
    inner_lr: float | None,
    episodes: int | None,
    evaluation_episodes: int | None = None,
) -> Recipe:
    """Return how a policy adapts and is evaluated: as in the run's evaluation unless set here.

    Args:
      inner_steps, inner_lr: see `Learner.adapt_to`.
      episodes: to learn from at each inner step.
      evaluation_episodes: new ones before and after each inner step.
    Raises:
      ValueError: a number is out of range, or the run has no policy.
    """
    if not loss_of(source.examples).acts:
        raise ValueError(
            f"{source.origin} is of task.kind = {source.config.task.kind!r}, which has no policy "
            "and no environments; give it examples (metatrain adapt, Learner.adapt)"
        )
    counts = {"episodes": episodes, "evaluation_episodes": evaluation_episodes}
    for name, number in counts.items():
        if number is not None and (int(number) != number or not 1 <= number <= MOST_EPISODES):
            raise ValueError(f"{name} = {number}; 1 to {MOST_EPISODES} is allowed")
    if episodes is not None and source.config.algorithm.num_episodes:
        raise ValueError(
            f"episodes = {episodes} are for inner steps, but algorithm.kind = "
            f"{source.config.algorithm.kind!r} learns from the earlier episodes of a trial; omit "
            "it, or set evaluation_episodes, the number of trials"
        )
    chosen = change(source, inner_steps, inner_lr)
    usual = recipe_at(source.config, chosen.inner_lr)
    task = source.config.task
    assert isinstance(task, EnvironmentTask)
    return replace(
        usual,
        inner_steps=chosen.inner_steps,
        shots=episodes or usual.shots or task.shots,
        queries=evaluation_episodes or usual.queries or task.queries,
    )
