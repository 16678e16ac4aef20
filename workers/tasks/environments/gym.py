"""Environments of gymnasium, or of the user's own with its interface, whose physics vary."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workers.metrics import LossName
from workers.settings.environments import GymTask, Varied
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
# Of a linear baseline: 32 MB for each task of a block.
_MOST_SEEN = 1000


class GymFamily:
    """A task is an environment whose attributes, or constructor's arguments, are drawn."""

    picture = "observed"
    side_by_side = True
    num_train_classes: int | None = None
    num_tokens: int | None = None

    def __init__(self, settings: GymTask):
        """Make one environment, to look at.

        Raises:
          ValueError: it cannot be had, has spaces that no policy here acts in, or lacks what is
            to vary.
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
        first = self._look(source, first)
        self.digest = digest(source, first)
        self.preparation: dict[str, Any] = {}
        self._idle: list[Any] = [] if self._arguments else [first]

    def _look(self, source: Source, first: Any) -> Any:
        """An environment as tasks have them, whose episodes were looked at."""
        settings = self._settings
        values = {
            name: vary(varied, np.zeros(1))[0].item() for name, varied in settings.vary.items()
        }
        if self._arguments:
            first.close()
            arguments = {name: values[name] for name in self._arguments}
            first = make_first(source, self._make, {**settings.arguments, **arguments})
        for name in self._attributes:
            said = f"task.vary.{name}"
            check_attribute(said, settings.environment, first, name, values[name])
        check_episodes(source, first, self._actions, self.input_shape, self.horizon)
        return first

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """What varies, and a seed for each task's episodes."""
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
        """Each episode has an environment of its own, seeded from the task's generator."""
        seeds = np.array([rng.integers(2**31, size=num_episodes) for rng in generators])
        tasks = [self._values(specs, task) for task in range(len(generators))]
        made = [
            [self._take(number * num_episodes + i, values) for i in range(num_episodes)]
            for number, values in enumerate(tasks)
        ]
        return GymEpisodes(
            made, seeds, self._actions, self.input_shape, disposable=bool(self._arguments)
        )

    def random_actions(self, rng: np.random.Generator, shape: Sequence[int]) -> Array:
        """Any of a few; numbers evenly within their bounds, or normal where there are none."""
        return self._actions.random(rng, shape)

    def given(self, action: Array) -> Any:
        """Clipped to the environment's bounds, or the index of one of a few."""
        return self._actions.given(action[None])[0]

    def make(self, specs: Specs, task: int, **extra: Any) -> Any:
        """A new environment of a task; `extra`: further arguments of the constructor."""
        return self._varied(self._values(specs, task), **extra)

    def oracle(self, specs: Specs) -> None:
        """Nobody can say."""
        return

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Nothing is known but what is observed."""
        nothing = np.zeros((len(specs["rollouts"]), 0, *self.input_shape), np.float32)
        return Episode(nothing, nothing, nothing, nothing)

    def showcase(self, specs: Specs) -> Specs:
        """As they are."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """By what varies."""
        tasks = [self._values(specs, task) for task in range(len(specs["rollouts"]))]
        return [
            ", ".join(f"{name} {value:.4g}" for name, value in sorted(values.items()))
            for values in tasks
        ]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Numbers say it all."""
        return ()

    def describe(self) -> dict[str, Any]:
        """What a policy sees and does."""
        seen = {"observation": list(self.input_shape), "actions": self._actions.told}
        return {"source": self._settings.environment, **seen, **self.protocol("train")}

    def notes(self) -> list[str]:
        """Tasks that are all the same: there is nothing to adapt to but chance."""
        if self._settings.vary:
            return []
        return [
            "task.vary is empty, so all tasks are the same environment, unless it varies by itself "
            "when it is reset: adapting may change nothing; say what varies, such as "
            "task.vary.NAME.uniform=[0.5,2.0]"
        ]

    def protocol(self, split: Split) -> dict[str, Any]:
        """The environment and what varies; a generated family has no split."""
        varied = {name: told(settings) for name, settings in sorted(self._settings.vary.items())}
        return {"tasks_from": self._settings.environment, **varied}

    def _values(self, specs: Specs, task: int) -> dict[str, float]:
        return {name: specs[f"{_PREFIX}{name}"][task].item() for name in self._settings.vary}

    def _take(self, number: int, values: Mapping[str, float]) -> Any:
        """The environment of an episode: one that idles, unless its constructor must know."""
        if self._arguments:
            return self._varied(values)
        while len(self._idle) <= number:
            self._idle.append(self._make(**self._settings.arguments))
        return self._with_attributes(self._idle[number], values)

    def _varied(self, values: Mapping[str, float], **extra: Any) -> Any:
        varied = {name: values[name] for name in self._arguments}
        made = self._make(**{**self._settings.arguments, **varied, **extra})
        return self._with_attributes(made, values)

    def _with_attributes(self, environment: Any, values: Mapping[str, float]) -> Any:
        return set_attributes(environment, {name: values[name] for name in self._attributes})


def _check_baseline(baseline: str, shape: Sequence[int]) -> None:
    """The linear one solves for twice as many weights as an observation has numbers."""
    if baseline == "linear" and math.prod(shape) > _MOST_SEEN:
        raise ValueError(
            f"task.baseline = 'linear' is fitted to all numbers of an observation, and there are "
            f"{math.prod(shape)}, {list(shape)}; {_MOST_SEEN} are allowed; use task.baseline = "
            "'none', or an environment that shows less"
        )


def vary(settings: Varied, unit: Array) -> Array:
    """From uniform numbers in [0, 1) to values."""
    given = np.asarray(unit, np.float64)
    if settings.choice is not None:
        return np.array(settings.choice)[(given * len(settings.choice)).astype(int)]
    if settings.loguniform is not None:
        low, high = np.log(settings.loguniform)
        return np.exp(low + given * (high - low))
    assert settings.uniform is not None
    low, high = settings.uniform
    return low + given * (high - low)


def told(settings: Varied) -> list[float] | str:
    """For the protocol."""
    if settings.choice is not None:
        return f"one of {', '.join(f'{value:g}' for value in settings.choice)}"
    if settings.loguniform is not None:
        return f"{settings.loguniform[0]:g} to {settings.loguniform[1]:g}, log-uniform"
    return list(settings.uniform or ())
