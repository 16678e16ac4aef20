"""The settings of the task families of texts."""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from workers.settings.losses.loss_task import LossTask
from workers.settings.section import Size, Ways, setting, ways_setting
from workers.settings.split_task import SplitTask
from workers.settings.task import Tables


class _Texts(SplitTask):
    """The settings of the source of texts and of their tokens."""

    gives = frozenset({"texts"})
    refusal = (
        "model.kind = {model!r} takes numbers, but task.kind = {task!r} has texts; use model.kind "
        "= 'text', or 'keras' with your own model that takes token ids"
    )

    path: str = setting(
        ..., "a CSV or Parquet file, or one in the data folder", bits=False, place="data"
    )
    text_column: str = setting("text", "column of the texts")
    label_column: str = setting("label", "column of the classes: the meanings of the texts")
    domain_column: str | None = setting(
        None, "column of the domains that classes belong to; unset: there are none"
    )
    leave_out: tuple[str, ...] = setting((), "classes to leave out, such as 'other'")
    tokens: Literal["ngrams", "words", "bytes"] = setting(
        "ngrams",
        "the tokens of a text: its words, pairs of words and parts of words (3 to 5 characters), "
        "without order; its words; or its bytes",
    )
    max_tokens: int | None = setting(
        None,
        "tokens of a text that the model takes, 1 to 10^6; unset: those of the longest text",
        ge=1,
        le=10**6,
    )
    long_texts: Literal["refuse", "cut"] = setting(
        "refuse", "a text of more than max_tokens: an error, or its end is cut off"
    )
    vocabulary: int = setting(
        8192,
        "tokens with their own embedding: the most frequent in training, 1 to 10^7",
        ge=1,
        le=10**7,
    )
    buckets: int = setting(
        8192, "embeddings that all other tokens share, by their hash, 1 to 10^7", ge=1, le=10**7
    )
    small_classes: Literal["refuse", "leave_out"] = setting(
        "refuse", "a class with too few texts for shots and queries: an error, or left out"
    )
    split_seed: int = setting(0, "seed of the split, 0 to 2^32 - 1", ge=0, lt=2**32)
    split_file: str | None = setting(
        None,
        "JSON {'train': [name, ...], 'validation': [...], 'test': [...]} instead of a seed",
        bits=False,
        place="here",
    )
    train_domains: int | None = setting(
        None, "domains to train on, 1 to 10^9; unset: a share", ge=1, le=10**9
    )
    validation_domains: int | None = setting(
        None, "domains to validate on, 1 to 10^9; unset: a share", ge=1, le=10**9
    )
    test_domains: int | None = setting(
        None, "domains to test on, 1 to 10^9; unset: the rest", ge=1, le=10**9
    )

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        columns = [self.text_column, self.label_column, self.domain_column]
        twice = [name for name in columns if name is not None and columns.count(name) > 1]
        if twice:
            raise ValueError(
                f"{twice[0]!r} is more than one of task.text_column, task.label_column and "
                "task.domain_column; name different ones"
            )
        return self

    @field_validator("path", "split_file")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        return absolute(value)


class TextTask(_Texts, LossTask):
    """N-way K-shot classification of short texts."""

    family = "workers.tasks.text.classification:TextFamily"
    losses = ("cross_entropy",)
    scored = frozenset({"classes"})
    pictures = ("text_episode",)
    feature_family = "workers.backbone.stored_features:StoredFeatures"
    reader = "texts"
    takes_ranges = True
    data = ("path", "split_file")
    defaults: ClassVar[Tables] = {
        "model": {"kind": "text"},
        "algorithm": {"kind": "anil", "inner_lr": 1.0, "inner_steps": 5},
        "outer": {
            "optimizer": "adam",
            "lr": 1e-3,
            "schedule": "cosine",
            "meta_batch_size": 16,
            "steps": 300,
        },
        "evaluation": {
            "validation_tasks": 100,
            "inner_steps": [1, 3, 5, 10],
            "inner_lr": [0.3, 1.0, 3.0, 10.0],
        },
    }

    kind: Literal["text"] = "text"
    ways: Ways | None = ways_setting()
    shots: Size = setting(
        5,
        "support texts per class, 1 to 10^5, or a range such as [1, 10], of which each task draws "
        "for each class",
    )
    queries: Size = setting(5, "query texts per class, 1 to 10^5, or a range likewise")
    token_dropout: float = setting(
        0.0,
        "share of the tokens of each text that a training task does not see, 0 to 0.9",
        later=True,
        ge=0,
        le=0.9,
    )
    split_by: Literal["classes", "domains"] = setting(
        "classes", "what differs between the splits: classes, or whole domains"
    )
    train_classes: int | None = setting(
        None, "classes to train on, 1 to 10^9; unset: a share", ge=1, le=10**9
    )
    validation_classes: int | None = setting(
        None, "classes to validate on, 1 to 10^9; unset: a share", ge=1, le=10**9
    )
    test_classes: int | None = setting(
        None, "classes to test on, 1 to 10^9; unset: the rest", ge=1, le=10**9
    )

    @model_validator(mode="after")
    def _domains_are_named(self) -> Self:
        if self.split_by == "domains" and self.domain_column is None:
            raise ValueError(
                "task.split_by = 'domains', but task.domain_column is unset; name the column, or "
                "split by 'classes'"
            )
        other = {"classes": "domains", "domains": "classes"}[self.split_by]
        for split in ("train", "validation", "test"):
            name = f"{split}_{other}"
            if (value := getattr(self, name)) is not None:
                raise ValueError(
                    f"task.{name} = {value} is for task.split_by = {other!r}, not for "
                    f"{self.split_by!r}; set that, or unset task.{name}"
                )
        return self


class MatchingTask(_Texts):
    """Selection of the candidate that means the same as a text, within a task's domain."""

    family = "workers.tasks.text.matching:MatchingFamily"
    losses = ("ranking",)
    pictures = ("text_episode",)
    reader = "matching"
    data = ("path", "test_path", "split_file")
    defaults: ClassVar[Tables] = {
        "model": {"kind": "text"},
        "algorithm": {"kind": "maml", "inner_lr": 1.0, "inner_steps": 5},
        "outer": {
            "optimizer": "adam",
            "lr": 1e-3,
            "schedule": "cosine",
            "meta_batch_size": 8,
            "steps": 300,
        },
        "evaluation": {
            "validation_tasks": 100,
            "inner_steps": [1, 3, 5, 10],
            "inner_lr": [0.3, 1.0, 3.0, 10.0],
        },
    }

    kind: Literal["matching"] = "matching"
    domain_column: str = setting("domain", "column of the domains; a task is of one domain")
    test_path: str | None = setting(
        None,
        "another file, with the same columns, whose domains are the test tasks; all domains of "
        "`path` but those of validation are then trained on; unset: test domains of `path`",
        bits=False,
        place="data",
    )
    candidates: int | None = setting(
        None,
        "candidates for each text, each of another meaning, 2 to 10^5; unset: 5, or as many as "
        "domains have",
        ge=2,
        le=10**5,
    )
    shots: int = setting(5, "support texts per meaning, 2 to 10^5", ge=2, le=10**5)
    queries: int = setting(5, "query texts per meaning, 2 to 10^5", ge=2, le=10**5)

    @field_validator("test_path")
    @classmethod
    def _absolute_too(cls, value: str | None) -> str | None:
        return absolute(value)


def absolute(path: str | None) -> str | None:
    """Make a path absolute if it exists: a run may resume, and actors start, in another folder.

    Any other path is one in the data folder, wherever that is later.
    """
    if path is None or not Path(path).expanduser().exists():
        return path
    return str(Path(path).expanduser().absolute())
