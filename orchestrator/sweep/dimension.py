"""A dimension of a search space: the distribution and the condition of a hyperparameter."""

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from workers.settings.section import Section

# Whole numbers that a float holds exactly.
_Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
_KINDS = ("choice", "grid", "uniform", "loguniform", "quniform", "randint")


class Dimension(Section):
    """A hyperparameter with exactly one distribution. Only randint excludes its upper bound."""

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
    def _check_distribution(self) -> "Dimension":
        kinds = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"give exactly one of {', '.join(_KINDS)}")
        kind, values = kinds[0], getattr(self, kinds[0])
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
        """The name of the distribution."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)

    @property
    def is_continuous(self) -> bool:
        """Whether values come from a continuous range."""
        return self.kind in ("uniform", "loguniform")

    @property
    def extremes(self) -> list[Any]:
        """All values of a choice, or the ends of a range: if these are allowed, all values are."""
        values = getattr(self, self.kind)
        if self.kind in ("choice", "grid"):
            return list(values)
        if self.kind == "randint":
            return [values[0], values[1] - 1]
        return [self.typed(value) for value in values[:2]]

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw a value, independent of all others."""
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
        """Convert a value to int if all values of the range are whole: Tune draws floats."""
        if self.quniform is None or not isinstance(value, float):
            return value
        low, _, step = self.quniform
        return int(value) if low.is_integer() and step.is_integer() else value

    def nearest(self, value: Any) -> Any:
        """Return the value of the space nearest to `value`."""
        if self.kind in ("choice", "grid"):
            return value
        if self.quniform is not None:
            step = self.quniform[2]
            value = float(round(value / step) * step)
        low, high = self.extremes
        return self.typed(min(max(value, low), high))

    def neighbour(self, value: Any, rng: np.random.Generator) -> Any:
        """Draw a neighbour of a value; it is the value itself only if there is no other.

        In a choice it is the value before or after. In a range it is a fifth less or more, or a
        twentieth of the range if that is more, and at least a whole step.
        """
        sides = [self._beside(value, side) for side in (-1, 1)]
        others = [other for other in sides if other != value]
        return others[int(rng.integers(len(others)))] if others else value

    def _beside(self, value: Any, side: Literal[-1, 1]) -> Any:
        values = getattr(self, self.kind)
        if self.kind in ("choice", "grid"):
            index = [*map(repr, values)].index(repr(value)) + side
            return values[min(max(index, 0), len(values) - 1)]
        if self.kind == "loguniform":
            return self.nearest(value * (1 + side / 5))
        low, high = self.extremes
        least = {"randint": 1, "quniform": values[-1]}.get(self.kind, 0.0)
        moved = value + side * max(abs(value) / 5, (high - low) / 20, least)
        return self.nearest(round(moved) if self.kind == "randint" else moved)


def holds(conditions: dict[str, Any], point: dict[str, Any]) -> bool:
    """Tell whether each key of `conditions` has that value, or one of these values, in `point`."""
    return all(
        point.get(key) in (value if isinstance(value, list | tuple) else [value])
        for key, value in conditions.items()
    )


def _is_multiple(value: float, step: float) -> bool:
    return math.isclose(value / step, round(value / step))
