"""The distribution of what varies between environments."""

import math
from numbers import Integral, Real
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from workers.settings.section import Section, setting

_LARGEST = 2**53
_WAYS = ("uniform", "loguniform", "choice", "train")

#: low, high.
Range = tuple[float, float]


def _value(value: Any) -> Any:
    """Return a number, true, false, a text, or a tuple of these, as an environment gets them."""
    if isinstance(value, (list, tuple)) and value:
        return tuple(map(_plain, value))
    return _plain(value)


def _plain(value: Any) -> bool | int | float | str:
    if isinstance(value, str | bool):
        return value
    if isinstance(value, Integral) and abs(int(value)) <= _LARGEST:
        return int(value)
    if isinstance(value, Real) and math.isfinite(value):
        return float(value)
    raise ValueError(f"{value!r} is not a finite number, true, false, a text, or a list of these")


class Varied(Section):
    """The distribution of a value over tasks: exactly one of uniform, loguniform, choice, train."""

    uniform: Range | None = setting(None, "uniform in [low, high), low < high")
    loguniform: Range | None = setting(None, "log-uniform in [low, high), 0 < low < high")
    choice: (
        Annotated[tuple[Annotated[Any, AfterValidator(_value)], ...], Field(min_length=2)] | None
    ) = setting(
        None,
        "one of these with equal probability, >= 2: numbers, true, false, texts or lists of these; "
        "see task.split",
    )
    train: Range | None = setting(
        None, "uniform in [low, high) in training tasks, low < high; needs test", later=True
    )
    validation: Range | None = setting(
        None, "range of validation tasks, low < high; unset: that of training tasks", later=True
    )
    test: Range | None = setting(
        None, "range of test tasks, low < high; unset: that of training tasks", later=True
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        names = [name for name in _WAYS if getattr(self, name) is not None]
        if len(names) != 1:
            raise ValueError(f"give one of {', '.join(_WAYS)}, not {names or 'none'}")
        if self.train and not self.test:
            raise ValueError("train needs test, the range of test tasks; else use uniform")
        for name in ("validation", "test"):
            if self.choice and getattr(self, name):
                raise ValueError(
                    f"{name} is for ranges; values of choice are split by task.{name}_tasks or "
                    "task.split_file"
                )
        for name in ("uniform", "loguniform", "train", "validation", "test"):
            self._check_range(name, getattr(self, name))
        return self

    def _check_range(self, name: str, bounds: Range | None) -> None:
        if bounds and not bounds[0] < bounds[1]:
            raise ValueError(f"{name} = {list(bounds)}; low must be below high")
        if bounds and self.loguniform and not bounds[0] > 0:
            raise ValueError(f"{name} = {list(bounds)}; low must be above 0")
