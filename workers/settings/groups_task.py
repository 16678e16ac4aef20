"""The settings of task families whose tasks are groups of a file's rows."""

from pydantic import field_validator

from workers.settings.section import setting
from workers.settings.split_task import SplitTask
from workers.settings.text_tasks import absolute


class GroupsTask(SplitTask):
    """The settings of the split of whole groups, never of rows."""

    train_tasks: int | None = setting(
        None, "tasks to train on, 1 to 10^9; unset: a share", ge=1, le=10**9
    )
    validation_tasks: int | None = setting(
        None, "tasks to validate on, 1 to 10^9; unset: a share", ge=1, le=10**9
    )
    test_tasks: int | None = setting(
        None, "tasks to test on, 1 to 10^9; unset: the rest", ge=1, le=10**9
    )
    split_seed: int = setting(0, "seed of the split by tasks, 0 to 2^32 - 1", ge=0, lt=2**32)
    split_file: str | None = setting(
        None,
        "JSON {'train': [task, ...], 'validation': [...], 'test': [...]} instead of a seed",
        bits=False,
        place="here",
    )

    @field_validator("path", "split_file", check_fields=False)
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        return absolute(value)
