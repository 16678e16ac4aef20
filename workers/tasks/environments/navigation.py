"""A point in the plane that must find a goal (Finn et al. 2017, arXiv:1703.03400, section 5.3)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.metrics import LossName
from workers.settings.environments.navigation_task import NavigationTask
from workers.tasks.display_text import DisplayText
from workers.tasks.environments.family import StepResult, VectorEnv
from workers.wire.protocol import Array, Draw, Episode, Specs, Split


class Points:
    """Moving points, [tasks, episodes, 2]."""

    def __init__(self, settings: NavigationTask, goals: Array, num_episodes: int):
        self._settings = settings
        self._goals = np.asarray(goals, np.float64)[:, None]
        self._positions = np.zeros((len(goals), num_episodes, 2))
        self.succeeded = np.zeros((len(goals), num_episodes), bool)

    def reset(self) -> Array:
        """Put all points at the origin."""
        self._positions = np.zeros_like(self._positions)
        return self._positions.astype(np.float32)

    def step(self, actions: Array) -> StepResult:
        """Move the points; the reward is minus the distance to the goal."""
        largest = self._settings.max_step
        moves = np.clip(np.asarray(actions, np.float64), -largest, largest)
        self._positions = self._positions + moves
        distance = np.sqrt(np.sum(np.square(self._positions - self._goals), axis=-1))
        return self._positions.astype(np.float32), -distance, distance < self._settings.reached

    def close(self) -> None:
        """Do nothing: points hold no resources."""


class NavigationFamily:
    """A goal for each task, uniform in a square; the policy sees its position, not the goal."""

    loss: LossName = "gaussian_policy"
    picture = "paths"
    side_by_side = True
    reports_success = False
    digest = ""
    input_shape: tuple[int, ...] = (2,)
    num_outputs = 4
    num_train_classes: int | None = None
    num_tokens: int | None = None

    def __init__(self, settings: NavigationTask):
        self._settings = settings
        self.horizon = settings.horizon
        self.preparation: dict[str, Any] = {}

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """Draw a goal, and a seed of the episodes, for each task."""
        low, high = self._settings.goals
        goals = low + draw.generator().random((hi, 2)) * (high - low)
        seeds = draw.generator(stream="rollouts").integers(2**63, size=hi, dtype=np.uint64)
        return {"goal": goals[lo:], "rollouts": seeds[lo:]}

    def environments(
        self, specs: Specs, num_episodes: int, generators: Sequence[np.random.Generator]
    ) -> VectorEnv:
        """Open the planes of the tasks; nothing in them is random."""
        return Points(self._settings, specs["goal"], num_episodes)

    def random_actions(self, rng: np.random.Generator, shape: Sequence[int]) -> Array:
        """Draw steps uniformly within the allowed length."""
        largest = self._settings.max_step
        return rng.uniform(-largest, largest, (*shape, 2)).astype(np.float32)

    def observed(self, observation: Any) -> Any:
        """Return the position [2]. Raises ValueError: it is of another shape."""
        if np.shape(observation) != self.input_shape:
            raise ValueError(
                f"an observation of shape {list(np.shape(observation))}, not "
                f"{list(self.input_shape)}"
            )
        return observation

    def environment_action(self, action: Array) -> Array:
        """Clip a step [2] as the environment does."""
        largest = self._settings.max_step
        step: Array = np.clip(action, -largest, largest)
        return step

    def oracle(self, specs: Specs) -> NDArray[np.float64]:
        """Walk to the goal by the longest steps that do not pass it; sum the rewards, [tasks]."""
        goals = np.asarray(specs["goal"], np.float64)[:, None]
        points, total = Points(self._settings, specs["goal"], 1), np.zeros(len(goals))
        positions = points.reset()
        running = np.ones(len(total), bool)
        for _ in range(self.horizon):
            positions, reward, over = points.step(np.subtract(goals, positions))
            total += np.where(running, reward[:, 0], 0.0)
            running &= ~over[:, 0]
        return total

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Return the goals as targets of a single query, for the picture."""
        assert not global_labels
        goals = np.asarray(specs["goal"], np.float32)[:, None]
        nothing = np.zeros((len(goals), 0, 2), np.float32)
        return Episode(nothing, nothing, np.zeros_like(goals), goals)

    def showcase(self, specs: Specs) -> Specs:
        """Return the specs unchanged."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """Name tasks by their goals."""
        return [f"goal ({x:.3g}, {y:.3g})" for x, y in specs["goal"]]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Return (): the tasks have no text."""
        return ()

    def describe(self) -> dict[str, Any]:
        """Describe the generator; there are no data."""
        return {"source": "generated: a goal in a square", **self.protocol("train")}

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return the ranges; generated tasks have no split."""
        settings = self._settings
        return {
            "tasks_from": "points that must find a goal",
            "goals": list(settings.goals),
            "max_step": settings.max_step,
            "reached": settings.reached,
        }
