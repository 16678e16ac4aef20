"""A family of gymnasium environments, or of the user's own, whose physics vary."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workers.metrics import LossName
from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.varied import Varied
from workers.tasks.display_text import DisplayText
from workers.tasks.environments.family import VectorEnv
from workers.tasks.environments.gym_check import check_episodes
from workers.tasks.environments.gym_episodes import GymEpisodes
from workers.tasks.environments.gym_source import (
    Source,
    check_attribute,
    digest,
    import_gymnasium,
    is_argument,
    make_first,
    maker_of,
    set_attributes,
)
from workers.tasks.environments.spaces import look_at_actions, look_at_observations
from workers.wire.protocol import Array, Draw, Episode, Specs, Split

_PREFIX = "varied/"
# Numbers of an observation for a linear baseline: 32 MB for each task of a block.
_MOST_NUMBERS = 1000


class GymFamily:
    """Environments whose attributes or constructor arguments are drawn for each task."""

    picture = "observed"
    side_by_side = True
    num_train_classes: int | None = None
    num_tokens: int | None = None

    def __init__(self, settings: GymTask):
        """Make one environment and inspect it.

        Raises:
          ValueError: it cannot be made, no policy can act in its spaces, or it lacks an attribute
            or argument that is to vary.
        """
        import_gymnasium()
        self._settings, self.horizon = settings, settings.horizon
        source = Source(settings.environment, settings.folder)
        self._make = maker_of(source)
        first = make_first(source, self._make, settings.arguments)
        self.input_shape = look_at_observations(settings.environment, first.observation_space)
        _check_baseline(settings.baseline, self.input_shape)
        self._actions = look_at_actions(settings.environment, first.action_space)
        self.loss: LossName = self._actions.loss
        self.num_outputs = self._actions.num_outputs
        self._arguments = [
            name
            for name in settings.vary
            if is_argument(f"task.vary.{name}", settings.environment, self._make, first, name)
        ]
        self._attributes = [name for name in settings.vary if name not in self._arguments]
        first = self._inspect(source, first)
        self.digest = digest(source, first)
        self.preparation: dict[str, Any] = {}
        self._idle: list[Any] = [] if self._arguments else [first]

    def _inspect(self, source: Source, first: Any) -> Any:
        """Return an environment like those of the tasks, after a check of its episodes."""
        settings = self._settings
        values = {
            name: vary(varied, np.zeros(1))[0].item() for name, varied in settings.vary.items()
        }
        if self._arguments:
            first.close()
            arguments = {name: values[name] for name in self._arguments}
            first = make_first(source, self._make, {**settings.arguments, **arguments})
        for name in self._attributes:
            label = f"task.vary.{name}"
            check_attribute(label, settings.environment, first, name, values[name])
        check_episodes(source, first, self._actions, self.input_shape, self.horizon)
        return first

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """Draw the varied values, and a seed of the episodes, for each task."""
        unit = draw.generator().random((hi, len(self._settings.vary)))
        seeds = draw.generator(stream="rollouts").integers(2**63, size=hi, dtype=np.uint64)
        varied = {
            f"{_PREFIX}{name}": vary(settings, unit[lo:, column])
            for column, (name, settings) in enumerate(sorted(self._settings.vary.items()))
        }
        return {**varied, "rollouts": seeds[lo:]}

    def environments(
        self, specs: Specs, num_episodes: int, generators: Sequence[np.random.Generator]
    ) -> VectorEnv:
        """Open an environment for each episode, seeded from the task's generator."""
        seeds = np.array([rng.integers(2**31, size=num_episodes) for rng in generators])
        tasks = [self._values(specs, task) for task in range(len(generators))]
        environments = [
            [self._take(number * num_episodes + i, values) for i in range(num_episodes)]
            for number, values in enumerate(tasks)
        ]
        return GymEpisodes(
            environments, seeds, self._actions, self.input_shape, disposable=bool(self._arguments)
        )

    def random_actions(self, rng: np.random.Generator, shape: Sequence[int]) -> Array:
        """See `EnvironmentFamily.random_actions`, and `Actions.random`."""
        return self._actions.random(rng, shape)

    def environment_action(self, action: Array) -> Any:
        """See `EnvironmentFamily.environment_action`; numbers are clipped to their bounds."""
        return self._actions.environment_actions(action[None])[0]

    def make(self, specs: Specs, task: int, **extra: Any) -> Any:
        """Make a new environment of a task; `extra`: further arguments of its constructor."""
        return self._varied(self._values(specs, task), **extra)

    def oracle(self, specs: Specs) -> None:
        """Return None: the optimal return is unknown."""
        return

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Return empty arrays: nothing is known of a task but what is observed."""
        nothing = np.zeros((len(specs["rollouts"]), 0, *self.input_shape), np.float32)
        return Episode(nothing, nothing, nothing, nothing)

    def showcase(self, specs: Specs) -> Specs:
        """Return the specs unchanged."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """Name tasks by their varied values."""
        tasks = [self._values(specs, task) for task in range(len(specs["rollouts"]))]
        return [
            ", ".join(f"{name} {value:.4g}" for name, value in sorted(values.items()))
            for values in tasks
        ]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Return (): the tasks have no text."""
        return ()

    def describe(self) -> dict[str, Any]:
        """Describe the environment: its observations, its actions, and what varies."""
        spaces = {"observation": list(self.input_shape), "actions": self._actions.description}
        return {"source": self._settings.environment, **spaces, **self.protocol("train")}

    def notes(self) -> list[str]:
        """Warn if nothing varies: then there is nothing to adapt to."""
        if self._settings.vary:
            return []
        return [
            "task.vary is empty, so all tasks are the same environment, unless it varies by itself "
            "when it is reset: adapting may change nothing; set what varies, for example "
            "task.vary.NAME.uniform=[0.5,2.0]"
        ]

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return the environment and what varies; generated tasks have no split."""
        varied = {
            name: describe_variation(settings)
            for name, settings in sorted(self._settings.vary.items())
        }
        return {"tasks_from": self._settings.environment, **varied}

    def _values(self, specs: Specs, task: int) -> dict[str, float]:
        return {name: specs[f"{_PREFIX}{name}"][task].item() for name in self._settings.vary}

    def _take(self, number: int, values: Mapping[str, float]) -> Any:
        """Return the environment of an episode: an idle one, unless an argument varies."""
        if self._arguments:
            return self._varied(values)
        while len(self._idle) <= number:
            self._idle.append(self._make(**self._settings.arguments))
        return self._with_attributes(self._idle[number], values)

    def _varied(self, values: Mapping[str, float], **extra: Any) -> Any:
        varied = {name: values[name] for name in self._arguments}
        environment = self._make(**{**self._settings.arguments, **varied, **extra})
        return self._with_attributes(environment, values)

    def _with_attributes(self, environment: Any, values: Mapping[str, float]) -> Any:
        return set_attributes(environment, {name: values[name] for name in self._attributes})


def _check_baseline(baseline: str, shape: Sequence[int]) -> None:
    """Raise ValueError if observations are too large for the linear baseline.

    It solves for twice as many weights as an observation has numbers.
    """
    if baseline == "linear" and math.prod(shape) > _MOST_NUMBERS:
        raise ValueError(
            f"task.baseline = 'linear' is fitted to all numbers of an observation, and there are "
            f"{math.prod(shape)}, {list(shape)}; {_MOST_NUMBERS} are allowed; use task.baseline = "
            "'none', or an environment with smaller observations"
        )


def vary(settings: Varied, unit: Array) -> Array:
    """Map uniform numbers in [0, 1) to values of the setting's distribution."""
    uniform = np.asarray(unit, np.float64)
    if settings.choice is not None:
        return np.array(settings.choice)[(uniform * len(settings.choice)).astype(int)]
    if settings.loguniform is not None:
        low, high = np.log(settings.loguniform)
        return np.exp(low + uniform * (high - low))
    assert settings.uniform is not None
    low, high = settings.uniform
    return low + uniform * (high - low)


def describe_variation(settings: Varied) -> list[float] | str:
    """Describe a distribution for the protocol."""
    if settings.choice is not None:
        return f"one of {', '.join(f'{value:g}' for value in settings.choice)}"
    if settings.loguniform is not None:
        return f"{settings.loguniform[0]:g} to {settings.loguniform[1]:g}, log-uniform"
    return list(settings.uniform or ())
