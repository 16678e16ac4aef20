"""The settings of losses and metrics, for families whose users choose them."""

import re
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationInfo, field_validator

from workers.settings.losses.loss_settings import Targets
from workers.settings.registry import named
from workers.settings.section import setting
from workers.settings.task import TaskRecord

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_MODE = re.compile(r"(max|min):")
# Other columns and entries beside metrics.
_RESERVED = ("step", "outer_step", "inner_step", "tasks", "tasks_per_s", "kl", "actors")
_BEGINNINGS = ("loss", "validation_")
_ENDS = ("_ci95", "_before", "_after", "_total", "seconds", "_calls", "_tasks", "_actors", "_sums")


def loss_setting(*, later: bool) -> Any:
    """Declare the field `loss`; see `setting`."""
    return setting(
        "auto",
        "what is minimized: a named loss, or 'module:function', a TensorFlow function of (outputs, "
        "targets) that returns a scalar; auto: cross_entropy of classes, mse of numbers",
        later=later,
    )


class LossTask(TaskRecord):
    """A family whose users may choose the loss, and add metrics.

    scored: what its tasks may have as targets.
    needs_folder: whether it imports its tasks from `folder` too.
    """

    scored: ClassVar[frozenset[Targets]]
    needs_folder: ClassVar[bool] = False

    loss: str = loss_setting(later=True)
    label_smoothing: float = setting(
        0.0,
        "share of each target that is spread over all classes, for cross_entropy and "
        "binary_cross_entropy; 0 to below 1",
        later=True,
        ge=0,
        lt=1,
    )
    outputs_per_target: int = setting(
        1,
        "outputs of the model for each number to predict, for a loss of one's own; the first are "
        "the predictions; 1 to 1000",
        later=True,
        ge=1,
        le=1000,
    )
    metrics: dict[str, str] = setting(
        {},
        "further metrics: a name for each 'module:function' like a loss; 'max:module:function' if "
        "more is better, 'min:module:function' if less is",
        later=True,
    )
    main_metric: str | None = setting(
        None,
        "the metric that decides between checkpoints and inner rates, and in sweeps; unset: "
        "accuracy of classes and labels, else the loss",
        later=True,
    )
    folder: str = setting(
        ".",
        "folder that the modules of loss and metrics are imported from first",
        bits=False,
        place="here",
    )
    imports: tuple[str, ...] = setting(
        (),
        "further modules that these depend on: imported first, sent with a job, and part of the "
        "digest",
        bits=False,
    )

    @field_validator("loss")
    @classmethod
    def _is_a_loss(cls, value: str) -> str:
        names = named("workers.losses.registry:names_for")(cls.scored)
        if value in ("auto", *names) or _FUNCTION.fullmatch(value):
            return value
        known = ", ".join(map(repr, ["auto", *names]))
        raise ValueError(f"should be {known}, or 'module:function', such as 'my_losses:huber'")

    @field_validator("metrics")
    @classmethod
    def _are_metrics(cls, value: dict[str, str]) -> dict[str, str]:
        # Sorted as in a run's own file: a graph's order is part of what decides bits.
        value = dict(sorted(value.items()))
        for name, function in value.items():
            if not _FUNCTION.fullmatch(_MODE.sub("", function, count=1)):
                raise ValueError(
                    f"{name} = {function!r} should be 'module:function', 'max:module:function' or "
                    "'min:module:function', such as 'max:my_losses:r2'"
                )
            free = name.isidentifier() and name not in _RESERVED
            if not free or name.startswith(_BEGINNINGS) or name.endswith(_ENDS):
                raise ValueError(
                    f"{name!r} is no name for a metric; take letters, digits and _, but none of "
                    f"{', '.join(_RESERVED)}, none of {', '.join(_BEGINNINGS)} in front and none "
                    f"of {', '.join(_ENDS)} at the end"
                )
        return value

    @field_validator("folder")
    @classmethod
    def _absolute_folder(cls, value: str, info: ValidationInfo) -> str:
        """Make it absolute if it is of use: a run may be resumed, and an actor start, elsewhere."""
        is_used = ":" in info.data.get("loss", "") or info.data.get("metrics")
        if value == "." and not (is_used or cls.needs_folder):
            return value
        return str(Path(value).expanduser().absolute())

    @property
    def loss_modules(self) -> list[str]:
        """The user's modules that its loss and metrics are in; none if these are named ones."""
        functions = [self.loss] if ":" in self.loss else []
        functions += [_MODE.sub("", function, count=1) for function in self.metrics.values()]
        own = [function.partition(":")[0] for function in functions]
        return list(dict.fromkeys([*self.imports, *own])) if own else []

    @property
    def modules(self) -> list[str]:
        """See `Record.modules`."""
        return self.loss_modules

    @property
    def wanted(self) -> Targets | None:
        """What the targets are to be read as; None: as they are."""
        if self.loss == "auto" or ":" in self.loss:
            return None
        targets: Targets = named("workers.losses.registry:LOSSES")[self.loss].targets
        return targets


class WeightedLossTask(LossTask):
    """A family whose classes mean the same in every task, so that they may have weights."""

    class_weights: tuple[float, ...] | None = setting(
        None,
        "a weight above 0 for each class with cross_entropy, for the ones of each label with "
        "binary_cross_entropy",
        later=True,
    )

    @field_validator("class_weights")
    @classmethod
    def _are_weights(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and not (value and all(0 < weight < 1e6 for weight in value)):
            raise ValueError("should be numbers above 0, one for each class, such as [1.0, 5.0]")
        return value
