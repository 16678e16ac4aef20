"""The task family of signals and series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from workers.settings.groups_task import GroupsTask
from workers.settings.losses.loss_task import LossTask
from workers.settings.registry import named
from workers.settings.section import Size, Ways, setting, ways_setting
from workers.settings.task import Progress, Tables
from workers.settings.text_tasks import absolute

if TYPE_CHECKING:
    from workers.tasks.family import TaskFamily

_CLASSES = "workers.tasks.signals.classification:SignalClasses"
_SERIES = "workers.tasks.signals.series:SeriesFamily"
# Of [task], what means something for one sort of target alone.
_OF_CLASSES = (
    *("ways", "train_classes", "validation_classes", "test_classes"),
    *("same_domain", "apart"),
)
_OF_SERIES = ("train_tasks", "validation_tasks", "test_tasks")
_LABELS = ("label_column", "label_file")


class SignalTask(GroupsTask, LossTask):
    """Classes of signals, or series to forecast or to measure."""

    gives = frozenset({"signals"})
    family = _CLASSES
    losses = ("cross_entropy", "mse")
    scored = frozenset({"numbers", "classes"})
    pictures = ("signal_episode", "forecast", "predicted")
    reader = "signals"
    takes_ranges = True
    data = ("path", "label_file", "split_file")
    suffixes = (".npz", ".npy", ".wav", ".flac")
    members = (".npy", ".wav", ".flac")
    defaults: ClassVar[Tables] = {
        "model": {"kind": "conv1d"},
        "algorithm": {"kind": "maml", "inner_lr": 0.1, "inner_steps": 1},
        "outer": {
            "optimizer": "adam",
            "lr": 3e-3,
            "schedule": "cosine",
            "meta_batch_size": 8,
            "steps": 1500,
        },
        "evaluation": {
            "validation_tasks": 100,
            "inner_steps": [1, 3, 5],
            "inner_lr": [0.01, 0.03, 0.1, 0.2, 0.4],
        },
    }

    kind: Literal["signal"] = "signal"
    path: str = setting(
        ...,
        "a folder or zip of CLASS/SIGNAL files (.npy, .wav, .flac), or an .npz, .npy, .csv, .tsv, "
        ".parquet, .arrow or .feather file",
        bits=False,
        place="data",
    )
    label_file: str | None = setting(
        None, "a .npy file of the labels of a .npy file, one a signal", bits=False, place="data"
    )
    signal_column: str | tuple[str, ...] | None = setting(
        None,
        "column of lists, or array of an .npz, that holds the signals; several: one a channel. "
        "Of a table also columns of numbers, then a row is a sample of its recording. Unset: "
        "signal, in an .npz x; of a CSV file all columns of numbers, one a sample",
    )
    label_column: str | tuple[str, ...] | None = setting(
        None,
        "column, or array of an .npz, of the class, or of the value to predict; several of a "
        "class are joined by '/'. Unset: label, in an .npz y",
    )
    recording_column: str | None = setting(
        None, "what tells recordings apart where a row is a part of one; unset: each is one"
    )
    target: Literal["class", "forecast", "value"] = setting(
        "class",
        "what to predict: the class of a signal; the next samples of a series; or a value that "
        "belongs to a window of a series",
    )
    window: int | None = setting(
        None, "samples of an example, 2 to 10^7; unset: whole signals", ge=2, le=10**7
    )
    hop: int | None = setting(
        None,
        "samples from the beginning of a window to that of the next, 1 to 10^7; unset: as window",
        ge=1,
        le=10**7,
    )
    horizon: int = setting(
        1, "samples to forecast, those that follow the window, 1 to 10^5", ge=1, le=10**5
    )
    target_channel: int = setting(0, "channel to forecast, 0 to 65535", ge=0, le=65535)
    apart: Literal["recordings", "time"] = setting(
        "recordings",
        "what support and query windows of a class never share: a recording; or its earlier and "
        "later part, for classes of one long recording",
    )
    early_share: float = setting(
        0.5,
        "share of a series, from its beginning, that support windows are from; queries are from "
        "the rest; 0.05 to 0.95",
        ge=0.05,
        le=0.95,
    )
    same_domain: bool = setting(
        False,
        "classes of a task share their name up to its last '/': a load, a machine, a person",
    )
    scaling: Literal["auto", "example", "training", "none"] = setting(
        "auto",
        "what samples are standardized by, channel by channel: each example itself (of a series: "
        "its support windows); all signals of training; or nothing. auto: example for classes, "
        "training for series",
    )
    rate: int | None = setting(
        None,
        "sampling rate that audio files must have, Hz, 1 to 10^9; unset: that of the first",
        ge=1,
        le=10**9,
    )
    ways: Ways | None = ways_setting()
    shots: Size = setting(
        5,
        "support examples per class, or per series, 1 to 10^5, or a range such as [1, 10], of "
        "which each task draws for each class",
    )
    queries: Size = setting(5, "query examples, likewise, 1 to 10^5, or a range")
    small_classes: Literal["refuse", "leave_out"] = setting(
        "refuse",
        "a class, or series, with too few examples for shots and queries: an error, or left out",
    )
    short_signals: Literal["refuse", "leave_out"] = setting(
        "refuse", "a signal that is shorter than a window: an error, or left out"
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
    split_file: str | None = setting(
        None,
        "JSON {'train': [name, ...], 'validation': [...], 'test': [...]} of classes, or of "
        "series, instead of a seed",
        bits=False,
        place="data",
    )

    @field_validator("label_file")
    @classmethod
    def _absolute_too(cls, value: str | None) -> str | None:
        return absolute(value)

    @model_validator(mode="after")
    def _fits_the_target(self) -> Self:
        forecasts, classifies = self.target == "forecast", self.target == "class"
        if forecasts and self.window is None:
            raise ValueError(
                "task.target = 'forecast' needs task.window: the samples that the next ones are "
                "forecast from"
            )
        if self.hop is not None and self.window is None:
            raise ValueError(
                f"task.hop = {self.hop} is for windows; set task.window, or unset task.hop"
            )
        foreign: tuple[str, ...] = _OF_SERIES if classifies else _OF_CLASSES
        foreign += _LABELS if forecasts else ("horizon", "target_channel")
        for name in foreign:
            value = getattr(self, name)
            if value != type(self).model_fields[name].default:
                raise ValueError(
                    f"task.{name} = {value!r} is not for task.target = {self.target!r}; unset it"
                )
        if classifies and self.apart == "recordings" and self.early_share != 0.5:
            raise ValueError(
                f"task.early_share = {self.early_share} is for series, or for classes with "
                "task.apart = 'time'; set that, or unset it"
            )
        return self

    @property
    def chance(self) -> float | None:  # type: ignore[override]
        """See `TaskRecord.chance`: a constant answer, the mean over training series."""
        return 1.0 if self.scaled_by == "training" else None

    @property
    def scaled_by(self) -> Literal["example", "training", "none"]:
        """The resolved `scaling`."""
        if self.scaling != "auto":
            return self.scaling
        return "example" if self.target == "class" else "training"

    @classmethod
    def default_model(cls, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `TaskRecord.default_model`: a series' window is a vector of few numbers."""
        if task.get("target", "class") == "class":
            return cls.defaults["model"]
        return {"kind": "mlp", "hidden": [64, 64]}

    def open(self, progress: Progress) -> TaskFamily:
        """See `AnyTask.open`."""
        made: TaskFamily = named(_CLASSES if self.target == "class" else _SERIES)(self)
        return made
