"""The settings of every family of environments."""

from typing import Literal

from workers.settings.inputs import OBSERVATIONS
from workers.settings.section import setting
from workers.settings.task import TaskRecord

#: Episodes of a task, at most.
MOST_EPISODES = 10**5


class EnvironmentTask(TaskRecord):
    """The settings of every family of environments: numbers of episodes, and advantages."""

    gives = OBSERVATIONS
    refusal = (
        "model.kind = {model!r} cannot be a policy; for task.kind = {task!r} use 'gaussian_mlp', "
        "'mlp', 'linear', 'gaussian_cnn' or 'categorical_cnn' (images), or 'keras' with your own "
        "model"
    )

    shots: int = setting(
        20, "episodes that each inner step learns from, 1 to 10^5", ge=1, le=MOST_EPISODES
    )
    queries: int = setting(20, "episodes after adaptation, 1 to 10^5", ge=1, le=MOST_EPISODES)
    horizon: int = setting(100, "steps after which an episode ends, 1 to 5000", ge=1, le=5000)
    discount: float = setting(0.99, "discount of rewards per step, 0 to 1", ge=0, le=1)
    gae_lambda: float = setting(
        1.0,
        "lambda of generalized advantage estimation, 0 to 1: 1, the actual rewards; 0, the "
        "baseline's forecast after one step",
        ge=0,
        le=1,
    )
    baseline: Literal["linear", "none"] = setting(
        "linear",
        "baseline of the rewards: a fit to the episodes themselves (observations of at most 1000 "
        "numbers), or none",
    )
    normalize: int = setting(
        0,
        "episodes of random actions in each task that normalize its observations, to 10^6; 0: "
        "observations stay as they are",
        ge=0,
        le=10**6,
    )
    curvature: Literal["dice", "per_step"] = setting(
        "dice",
        "second derivative of the inner loop: dice, unbiased for given advantages; per_step, "
        "without the influence of earlier steps, which has less variance",
    )
