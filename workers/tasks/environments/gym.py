"""A family of gymnasium environments, or of the user's own, that vary from task to task."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.metrics import LossName
from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.listed import values_of
from workers.settings.losses.loss_settings import LossSettings
from workers.tasks.display_text import DisplayText
from workers.tasks.environments.family import VectorEnv
from workers.tasks.environments.gym_episodes import GymEpisodes
from workers.tasks.environments.gym_inspection import inspect_environments
from workers.tasks.environments.gym_source import import_gymnasium
from workers.tasks.environments.gym_tasks import GymTasks, TaskValues, title_of
from workers.wire.protocol import Array, Draw, Episode, Specs, Split


class GymFamily:
    """Environments whose attributes or constructor arguments are drawn for each task."""

    picture = "observed"
    side_by_side = True
    num_train_classes: int | None = None
    num_tokens: int | None = None

    def __init__(self, settings: GymTask):
        """Make environments and inspect them.

        Raises:
          ValueError: see `inspect_environments`.
          DataError: the set of tasks cannot be split so.
        """
        import_gymnasium()
        self._settings, self.horizon = settings, settings.horizon
        self._tasks = GymTasks(settings)
        inspected = inspect_environments(settings)
        self._makers, self._spaces = inspected.makers, inspected.spaces
        self._observations = inspected.observations
        self.input_shape = self._observations.shape
        self._actions = inspected.actions
        self.loss: LossName = self._actions.loss
        self.num_outputs = self._actions.num_outputs
        self.reports_success = inspected.reports_success
        self.loss_settings = LossSettings(reported=("success",) if self.reports_success else ())
        self.digest = self._with_split(inspected.digest)
        self.preparation: dict[str, Any] = {}
        self._disposable = self._are_disposable()
        self._idle: list[Any] = [] if self._disposable else [inspected.first]
        if self._disposable:
            inspected.first.close()

    def _are_disposable(self) -> bool:
        """Whether each episode needs a new environment, as setting attributes is not enough."""
        keys = {frozenset(values_of(table)) for table in self._settings.environments}
        takes_arguments = any(maker.takes_arguments for maker in self._makers.values())
        return takes_arguments or len(keys) > 1 or len(self._settings.ids) > 1

    def _with_split(self, digest: str) -> str:
        split = self._tasks.set.hash if self._tasks.set is not None else ""
        return hashlib.sha256(f"{digest} {split}".encode()).hexdigest() if split else digest

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """Draw the varied values, and a seed of the episodes, for each task."""
        return self._tasks.sample(draw, lo, hi)

    def environments(
        self, specs: Specs, num_episodes: int, generators: Sequence[np.random.Generator]
    ) -> VectorEnv:
        """Open an environment for each episode, seeded from the task's generator."""
        seeds = np.array([rng.integers(2**31, size=num_episodes) for rng in generators])
        tasks = [self._tasks.values(specs, task) for task in range(len(generators))]
        environments = [
            [self._take(number * num_episodes + i, values) for i in range(num_episodes)]
            for number, values in enumerate(tasks)
        ]
        return GymEpisodes(
            environments, seeds, self._actions, self._observations, disposable=self._disposable
        )

    def random_actions(self, rng: np.random.Generator, shape: Sequence[int]) -> Array:
        """See `EnvironmentFamily.random_actions`, and `Actions.random`."""
        return self._actions.random(rng, shape)

    def observed(self, observation: Any) -> Any:
        """See `EnvironmentFamily.observed`, and `Observations.array`."""
        return self._observations.array(observation)

    def environment_action(self, action: Array) -> Any:
        """See `EnvironmentFamily.environment_action`; numbers are clipped to their bounds."""
        return self._actions.environment_actions(action[None])[0]

    def make(self, specs: Specs, task: int, **extra: Any) -> Any:
        """Make a new environment of a task; `extra`: further arguments of its constructor."""
        return self._made(self._tasks.values(specs, task), **extra)

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
        """Name tasks by what varies."""
        return self._tasks.names(specs)

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Return (): the tasks have no text."""
        return ()

    def describe(self) -> dict[str, Any]:
        """Describe the environment: its observations, its actions, what varies, and the split."""
        table = self._tasks.protocol("train")
        spaces = {"observation": list(self.input_shape), "actions": self._actions.description}
        return {"source": table["tasks_from"], **spaces, **table, **self._tasks.describe()}

    def notes(self) -> list[str]:
        """Warn if nothing varies, or if a test asks nothing that training did not."""
        return self._tasks.notes()

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return the environments, what varies, and how a finite set of them is split."""
        return self._tasks.protocol(split)

    def _take(self, number: int, task: TaskValues) -> Any:
        """Return the environment of an episode: an idle one, if setting attributes is enough."""
        if self._disposable:
            return self._made(task)
        (maker,) = self._makers.values()
        while len(self._idle) <= number:
            self._idle.append(maker.make(task[1]))
        return maker.set(self._idle[number], task[1])

    def _made(self, task: TaskValues, **extra: Any) -> Any:
        name, values = task
        environment = self._makers[name].make(values, **extra)
        self._spaces.check(title_of(task), environment)
        return environment
