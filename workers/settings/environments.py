"""Task families of environments that a policy acts in."""

from typing import Literal

from pydantic import field_validator

from workers.settings.section import Section, setting


class EnvironmentTask(Section):
    """What every family of environments says: how much is seen, and how it is judged."""

    shots: int = setting(20, "episodes that each inner step learns from, >= 1", ge=1)
    queries: int = setting(20, "episodes after adaptation, >= 1", ge=1)
    horizon: int = setting(100, "steps after which an episode ends, 1 to 100000", ge=1, le=100_000)
    discount: float = setting(0.99, "what a reward a step later counts, 0 to 1", ge=0, le=1)
    gae_lambda: float = setting(
        1.0,
        "generalized advantage estimation: 1, rewards as they came; 0, the baseline's forecast of "
        "them after one step",
        ge=0,
        le=1,
    )
    baseline: Literal["linear", "none"] = setting(
        "linear", "what rewards are compared with: a fit to the episodes themselves, or nothing"
    )
    curvature: Literal["dice", "per_step"] = setting(
        "dice",
        "second derivative of the inner loop: dice, unbiased; per_step, without what a step owes "
        "to those before it, which varies less",
    )


class NavigationTask(EnvironmentTask):
    """A point in the plane that must find a goal (Finn et al. 2017, arXiv:1703.03400, 5.3)."""

    kind: Literal["navigation"] = "navigation"
    goals: tuple[float, float] = setting((-0.5, 0.5), "range of a goal's coordinates, low < high")
    max_step: float = setting(0.1, "largest step along each axis, > 0", gt=0)
    reached: float = setting(0.01, "distance to the goal that ends an episode, >= 0", ge=0)

    @field_validator("goals")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError("low must be below high")
        return value
