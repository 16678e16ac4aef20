"""The shares of the splits, for families whose data are split."""

from typing import Self

from pydantic import field_validator, model_validator

from workers.settings.section import setting
from workers.settings.task import TaskRecord

# The settings of a split that is drawn.
_DRAWN = {"split_shares", "split_seed"} | {
    f"{split}_{what}"
    for split in ("train", "validation", "test")
    for what in ("classes", "domains", "tasks")
}


class SplitTask(TaskRecord):
    """The settings of a family whose classes, domains or groups of rows are split whole."""

    split_shares: tuple[float, float, float] = setting(
        (0.64, 0.16, 0.2),
        "shares of training, validation and test if no number is set, each above 0, sum 1",
    )

    @model_validator(mode="after")
    def _splits_once(self) -> Self:
        """Refuse what decides a split beside a file that gives it."""
        if getattr(self, "split_file", None) is not None:
            self.refuse_drawn_split("task.split_file, which lists each split", "unset one of them")
        return self

    def refuse_drawn_split(self, given: str, remedy: str) -> None:
        """Raise ValueError if shares, numbers or a seed are set beside a split that is given."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name in _DRAWN and value != field.default:
                value = list(value) if isinstance(value, tuple) else value
                raise ValueError(f"task.{name} = {value} means nothing beside {given}; {remedy}")

    @field_validator("split_shares")
    @classmethod
    def _are_shares(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(value) <= 0 or abs(sum(value) - 1) > 1e-6:
            raise ValueError("should be three numbers above 0 that add up to 1")
        return value
