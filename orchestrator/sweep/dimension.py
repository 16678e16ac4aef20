"""One hyperparameter: what its values are drawn from, and when it is there at all."""

from typing import Any

import numpy as np
from pydantic import Field, model_validator

from workers.settings.section import Section

_KINDS = ("choice", "grid", "uniform", "loguniform", "quniform", "randint")


class Dimension(Section):
    """Exactly one of the distributions. Bounds are included, but for the upper one of randint."""

    choice: tuple[Any, ...] | None = Field(None, description="any of these values", min_length=1)
    grid: tuple[Any, ...] | None = Field(None, description="each of these values", min_length=1)
    uniform: tuple[float, float] | None = Field(None, description="[low, high]")
    loguniform: tuple[float, float] | None = Field(None, description="[low, high], low > 0")
    quniform: tuple[float, float, float] | None = Field(
        None, description="[low, high, step]: multiples of step, whole if low and step are"
    )
    randint: tuple[int, int] | None = Field(None, description="[low, high), whole numbers")
    when: dict[str, Any] = Field(
        {}, description="key = value or list of values of another key, where this one is drawn"
    )

    @model_validator(mode="after")
    def _one_that_makes_sense(self) -> "Dimension":
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_KINDS)}")
        kind, values = given[0], getattr(self, given[0])
        if kind in ("choice", "grid"):
            return self
        low, high = values[:2]
        if low > high or (kind == "randint" and low == high):
            raise ValueError(f"{kind} = {list(values)}: the low end must be below the high one")
        if kind == "loguniform" and low <= 0:
            raise ValueError(f"loguniform = {list(values)}: the low end must be above 0")
        if kind == "quniform" and not 0 < values[2] <= max(high - low, values[2]):
            raise ValueError(f"quniform = {list(values)}: the step must be above 0")
        return self

    @property
    def kind(self) -> str:
        """The distribution's name."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)

    @property
    def extremes(self) -> list[Any]:
        """All values of a choice, and the ends of a range: if these are allowed, all are."""
        values = getattr(self, self.kind)
        if self.kind in ("choice", "grid"):
            return list(values)
        if self.kind == "randint":
            return [values[0], values[1] - 1]
        return [self.typed(value) for value in values[:2]]

    def draw(self, rng: np.random.Generator) -> Any:
        """A value, independent of all others."""
        values = getattr(self, self.kind)
        match self.kind:
            case "choice" | "grid":
                return values[int(rng.integers(len(values)))]
            case "uniform":
                return float(rng.uniform(*values))
            case "loguniform":
                low, high = values
                return float(np.clip(np.exp(rng.uniform(*np.log(values))), low, high))
            case "quniform":
                low, high, step = values
                value = np.clip(round(rng.uniform(low, high) / step) * step, low, high)
                return self.typed(float(value))
            case _:
                return int(rng.integers(*values))

    def typed(self, value: Any) -> Any:
        """The value as a whole number where all of the range are: Tune draws floats there."""
        if self.quniform is None or not isinstance(value, float):
            return value
        low, _, step = self.quniform
        return int(value) if low.is_integer() and step.is_integer() else value

    def nearest(self, value: Any) -> Any:
        """The value itself, or the end of the range that it has left."""
        if self.kind in ("choice", "grid"):
            return value
        low, high = self.extremes
        return self.typed(min(max(value, low), high))


def holds(conditions: dict[str, Any], point: dict[str, Any]) -> bool:
    """Whether each key of `conditions` has that value in `point`, or one of a list of values."""
    return all(
        point.get(key) in (value if isinstance(value, list | tuple) else [value])
        for key, value in conditions.items()
    )
