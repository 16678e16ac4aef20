"""The settings of the task family of text generation."""

from typing import ClassVar, Literal

from workers.settings.groups_task import GroupsTask
from workers.settings.section import setting
from workers.settings.task import Tables


class GenerationTask(GroupsTask):
    """Language modelling of a group's texts: a speaker's lines, a language's names."""

    gives = frozenset({"sequences"})
    family = "workers.tasks.text.generation:GenerationFamily"
    losses = ("next_token",)
    pictures = ("samples",)
    reader = "lines"
    data = ("path", "split_file")
    defaults: ClassVar[Tables] = {
        "model": {"kind": "transformer"},
        "algorithm": {"kind": "maml", "inner_lr": 0.1, "inner_steps": 2},
        "outer": {
            "optimizer": "adam",
            "lr": 3e-3,
            "schedule": "cosine",
            "meta_batch_size": 8,
            "steps": 800,
        },
        "evaluation": {
            "validation_tasks": 100,
            "inner_steps": [1, 2, 3, 5],
            "inner_lr": [0.02, 0.05, 0.1, 0.2, 0.5],
        },
    }
    refusal = (
        "model.kind = {model!r} does not predict the next token, as task.kind = {task!r} needs; "
        "use model.kind = 'transformer', or 'keras' with your own model that gives logits for each "
        "token"
    )

    kind: Literal["generation"] = "generation"
    path: str = setting(
        ..., "a CSV, Parquet or Arrow file, or one in the data folder", bits=False, place="data"
    )
    task_column: str = setting("task", "column that tells tasks apart: speaker, language, customer")
    text_column: str = setting("text", "column of the texts")
    order_column: str | None = setting(
        None, "column of numbers that order a task's texts; unset: the file's order"
    )
    texts: Literal["rows", "windows"] = setting(
        "rows",
        "an example is a row's text, or `length` tokens of a task's texts joined by newlines",
    )
    tokens: Literal["characters", "bytes"] = setting("characters", "the tokens of a text")
    length: int = setting(
        64,
        "tokens of an example, including the one for the end of a row's text, 2 to 4096",
        ge=2,
        le=4096,
    )
    long_texts: Literal["refuse", "cut"] = setting(
        "refuse", "a row's text that is longer: an error, or its end is cut off"
    )
    shared_texts: Literal["keep", "leave_out"] = setting(
        "keep",
        "a held-out task's text that another split has too: kept in both, or left out of training "
        "(and, if a test task has it, of validation)",
    )
    small_tasks: Literal["refuse", "leave_out"] = setting(
        "refuse", "a task with fewer different texts than min_texts: an error, or left out"
    )
    min_texts: int | None = setting(
        None,
        "different texts that a task must have, 2 to 10^9; unset: shots + queries, but an "
        "evaluation with more shots needs more",
        ge=2,
        le=10**9,
    )
    shots: int = setting(10, "support texts per task, 1 to 10^5", ge=1, le=10**5)
    queries: int = setting(10, "query texts per task, 1 to 10^5", ge=1, le=10**5)
