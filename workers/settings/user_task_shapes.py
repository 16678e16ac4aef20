"""What a model must know of a user's own tasks."""

from typing import Any, Literal

from workers.metrics import LossName
from workers.settings.inputs import EXAMPLES
from workers.settings.losses.loss_settings import LossSettings
from workers.settings.section import setting
from workers.settings.task import AnyTask


class UserTaskShapes(AnyTask):
    """The shapes of a user's own tasks, to be adapted to, and how their examples are prepared."""

    gives = EXAMPLES
    family = "workers.tasks.user_tasks:UserTaskFamily"
    feature_family = "workers.backbone.computed_features:ComputedFeatures"
    is_drawn = False

    kind: Literal["given"] = "given"
    loss: LossName = setting("mse", "the name of the loss, or 'module:function'")
    loss_settings: LossSettings = LossSettings()
    input_shape: tuple[int, ...] = setting(..., "shape of an example")
    num_outputs: int = setting(..., "outputs of the model, 1 to 10^7", ge=1, le=10**7)
    num_train_classes: int | None = setting(
        None, "outputs of `joint`'s head in training", ge=1, le=10**7
    )
    num_tokens: int | None = setting(
        None, "ids that an example may hold, 1 to 10^9; unset: it holds numbers", ge=1, le=10**9
    )
    preparation: dict[str, Any] = setting(
        {}, "how the family prepares a user's examples: columns, scales, vocabularies"
    )
    any_ways: bool = setting(
        False, "whether a task may have any number of classes; not written to files", exclude=True
    )
