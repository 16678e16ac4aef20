"""One hyperparameter: what its values are drawn from, and when it is there at all."""

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from workers.settings.section import Section

# What a float holds exactly.
_Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
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
    randint: tuple[_Whole, _Whole] | None = Field(None, description="[low, high), whole numbers")
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
        if low >= high:
            raise ValueError(f"{kind} = {list(values)}: the low end must be below the high one")
        if kind == "loguniform" and low <= 0:
            raise ValueError(f"loguniform = {list(values)}: the low end must be above 0")
        if kind == "quniform" and values[2] <= 0:
            raise ValueError(f"quniform = {list(values)}: the step must be above 0")
        if kind == "quniform" and any(not _is_multiple(end, values[2]) for end in (low, high)):
            raise ValueError(f"quniform = {list(values)}: the ends must be multiples of the step")
        return self

    @property
    def kind(self) -> str:
        """The distribution's name."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)

    @property
    def is_continuous(self) -> bool:
        """Whether no value is ever drawn exactly."""
        return self.kind in ("uniform", "loguniform")

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
                return self.nearest(rng.uniform(*values[:2]))
            case _:
                return int(rng.integers(*values))

    def typed(self, value: Any) -> Any:
        """The value as a whole number where all of the range are: Tune draws floats there."""
        if self.quniform is None or not isinstance(value, float):
            return value
        low, _, step = self.quniform
        return int(value) if low.is_integer() and step.is_integer() else value

    def nearest(self, value: Any) -> Any:
        """The value itself, the multiple of the step, or the end of the range that it has left."""
        if self.kind in ("choice", "grid"):
            return value
        if self.quniform is not None:
            step = self.quniform[2]
            value = float(round(value / step) * step)
        low, high = self.extremes
        return self.typed(min(max(value, low), high))

    def neighbour(self, value: Any, rng: np.random.Generator) -> Any:
        """A value of the space beside this one; the same only where there is no other.

        Of a choice it is the one before or after; of a range it is a fifth less or more, or a
        twentieth of the range where that is more, and a whole step at least.
        """
        sides = [self._beside(value, side) for side in (-1, 1)]
        others = [other for other in sides if other != value]
        return others[int(rng.integers(len(others)))] if others else value

    def _beside(self, value: Any, side: Literal[-1, 1]) -> Any:
        values = getattr(self, self.kind)
        if self.kind in ("choice", "grid"):
            place = [*map(repr, values)].index(repr(value)) + side
            return values[min(max(place, 0), len(values) - 1)]
        if self.kind == "loguniform":
            return self.nearest(value * (1 + side / 5))
        low, high = self.extremes
        least = {"randint": 1, "quniform": values[-1]}.get(self.kind, 0.0)
        moved = value + side * max(abs(value) / 5, (high - low) / 20, least)
        return self.nearest(round(moved) if self.kind == "randint" else moved)


def holds(conditions: dict[str, Any], point: dict[str, Any]) -> bool:
    """Whether each key of `conditions` has that value in `point`, or one of a list of values."""
    return all(
        point.get(key) in (value if isinstance(value, list | tuple) else [value])
        for key, value in conditions.items()
    )


def _is_multiple(value: float, step: float) -> bool:
    return math.isclose(value / step, round(value / step))
