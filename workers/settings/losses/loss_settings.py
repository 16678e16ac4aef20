"""What a loss is made with, beside its name."""

from typing import Literal

from workers.settings.section import Section, setting

#: What a loss compares outputs with.
Targets = Literal["numbers", "classes", "labels", "candidates", "tokens", "actions"]


class LossSettings(Section):
    """The settings of a loss, as a family of tasks has resolved them; see `LossTask`."""

    targets: Targets | None = setting(
        None, "what a loss of the user's own is computed from; unset: what the named one is for"
    )
    class_weights: tuple[float, ...] | None = setting(None, "a weight for each class or label")
    label_smoothing: float = setting(0.0, "share of a target that is spread, 0 to 1", ge=0, lt=1)
    outputs_per_target: int = setting(
        1, "outputs for each number, of a loss of the user's own, 1 to 1000", ge=1, le=1000
    )
    metrics: dict[str, str] = setting({}, "further metrics: name -> '[max:|min:]module:function'")
    reported: tuple[str, ...] = setting((), "metrics that environments report, by their names")
    main_metric: str | None = setting(None, "the metric that decides; unset: the loss's first")
    folder: str = setting("", "folder to import the user's functions from first")
    imports: tuple[str, ...] = setting((), "modules to import before them")
