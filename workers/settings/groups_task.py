"""Task families whose tasks are groups of a file's rows."""

from pydantic import field_validator

from workers.settings.section import Section, setting
from workers.settings.text_tasks import absolute


class GroupsTask(Section):
    """How tasks are split: whole groups, never rows."""

    train_tasks: int | None = setting(None, "tasks to train on; unset: 64 %", ge=1)
    validation_tasks: int | None = setting(None, "tasks to validate on; unset: 16 %", ge=1)
    test_tasks: int | None = setting(None, "tasks to test on; unset: the rest", ge=1)
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
