"""The shares of the splits, for families whose data are split."""

from pydantic import field_validator

from workers.settings.section import setting
from workers.settings.task import TaskRecord


class SplitTask(TaskRecord):
    """The settings of a family whose classes, domains or groups of rows are split whole."""

    split_shares: tuple[float, float, float] = setting(
        (0.64, 0.16, 0.2),
        "shares of training, validation and test if no number is set, each above 0, sum 1",
    )

    @field_validator("split_shares")
    @classmethod
    def _are_shares(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(value) <= 0 or abs(sum(value) - 1) > 1e-6:
            raise ValueError("should be three numbers above 0 that add up to 1")
        return value
