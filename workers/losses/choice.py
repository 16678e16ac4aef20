"""The choice of a loss for the tasks of a family, by its settings and its targets."""

from typing import NamedTuple

from workers.losses.loss import Loss
from workers.losses.registry import LOSSES, make_loss
from workers.settings.losses.loss_settings import LossSettings, Targets
from workers.settings.losses.loss_task import LossTask

_AUTO: dict[Targets, str] = {
    "numbers": "mse",
    "classes": "cross_entropy",
    "labels": "binary_cross_entropy",
}
_CALLED: dict[Targets, str] = {
    "numbers": "numbers to predict",
    "classes": "classes",
    "labels": "labels, each 0 or 1",
}


class LossChoice(NamedTuple):
    """The loss of a family.

    name, settings: of `make_loss`. num_outputs: outputs that the model needs.
    """

    name: str
    settings: LossSettings
    num_outputs: int


def choose_loss(settings: LossTask, targets: Targets, number: int) -> LossChoice:
    """Choose the loss, and check that the settings fit it.

    Args:
      targets: what the tasks have.
      number: classes, labels, or numbers of a target.
    Raises:
      ValueError: the loss is for other targets, has no use for a setting, or does not measure what
        is to decide.
    """
    name = _AUTO[targets] if settings.loss == "auto" else settings.loss
    own = ":" in name
    chosen = LossSettings(
        targets=targets if own else None,
        class_weights=getattr(settings, "class_weights", None),
        label_smoothing=settings.label_smoothing,
        outputs_per_target=settings.outputs_per_target,
        metrics=settings.metrics,
        main_metric=settings.main_metric,
        folder=settings.folder if own or settings.metrics else "",
        imports=settings.imports if own or settings.metrics else (),
    )
    loss = make_loss(name, chosen)
    if loss.targets != targets:
        raise ValueError(
            f"task.loss = {name!r} is for {_CALLED[loss.targets]}, but the tasks have "
            f"{_CALLED[targets]}; use {_AUTO[targets]!r}, or other targets"
        )
    _check_uses(chosen, name, loss, number)
    if settings.outputs_per_target != 1 and not (own and targets == "numbers"):
        raise ValueError(
            f"task.outputs_per_target = {settings.outputs_per_target} is for a loss of your own of "
            f"numbers, not for task.loss = {name!r} of {_CALLED[targets]}; unset it"
        )
    _check_metrics(name, loss.scored_by, chosen)
    return LossChoice(name, chosen, number * loss.outputs_per_target)


def _check_uses(chosen: LossSettings, name: str, loss: Loss, number: int) -> None:
    weights, smoothing = chosen.class_weights, chosen.label_smoothing
    given = {"label_smoothing": smoothing or None, "class_weights": weights and list(weights)}
    for field, value in given.items():
        if value is not None and field not in loss.uses:
            users = [other for other, record in LOSSES.items() if field in record.uses]
            raise ValueError(
                f"task.{field} = {value} is for {' and '.join(users)}, not for task.loss = "
                f"{name!r}; unset it"
            )
    if weights is not None and len(weights) != number:
        raise ValueError(
            f"task.class_weights has {len(weights)} weights, but tasks have {number} "
            f"{loss.targets}; give one for each"
        )


def _check_metrics(name: str, scored_by: tuple[str, ...], settings: LossSettings) -> None:
    twice = [metric for metric in settings.metrics if metric in scored_by]
    if twice:
        raise ValueError(
            f"task.metrics has {twice[0]!r}, which task.loss = {name!r} measures already; give "
            "yours another name"
        )
    main = settings.main_metric
    measured = [*scored_by, *settings.metrics]
    if main is None:
        return
    if main not in measured:
        raise ValueError(
            f"task.main_metric = {main!r} is not measured; there are {', '.join(measured)}"
        )
    place = settings.metrics.get(main, "max:")
    if not place.startswith(("max:", "min:")):
        raise ValueError(
            f"task.main_metric = {main!r}: say whether more of it is better, as "
            f"task.metrics.{main} = 'max:{place}', or less, as 'min:{place}'"
        )
