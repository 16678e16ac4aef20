"""Convolutional policies: for images as observations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from workers.losses.registry import loss_of
from workers.models.model import Model
from workers.models.policies.gaussian import GaussianPolicy
from workers.settings.inputs import OBSERVATIONS
from workers.settings.section import setting

if TYPE_CHECKING:
    import keras

    from workers.settings.task import AnyTask
    from workers.tasks.family import TaskFamily


class CategoricalCnnModel(Model):
    """A policy that sees images and chooses one of a few actions: convolutions, then dense layers.

    Each convolution is 3x3 and halves the image.
    """

    takes = OBSERVATIONS
    refusal = (
        "model.kind = {model!r} is a policy, but task.kind = {task!r} has no environments to act "
        "in; use model.kind = 'conv4'"
    )
    kind: Literal["categorical_cnn"] = "categorical_cnn"
    filters: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = setting(
        (16, 32), "filters of each convolution, 1 to 65536"
    )
    hidden: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = setting(
        (64,), "units of each dense layer after them, 1 to 65536"
    )
    activation: Literal["relu", "tanh", "elu", "gelu", "silu"] = setting(
        "tanh", "activation of all these layers"
    )
    input_scale: float = setting(
        255.0, "what observations are divided by, > 0: 255 for pixels, 1 for normalized ones", gt=0
    )

    def check_task(self, task: AnyTask) -> None:
        """See `Model.check_task`."""
        normalize = getattr(task, "normalize", 0)
        if normalize and self.input_scale != 1:
            raise ValueError(
                f"task.normalize = {normalize} normalizes what model.input_scale = "
                f"{self.input_scale:g} would divide once more; set model.input_scale = 1"
            )

    def check_family(self, family: TaskFamily) -> None:
        """See `Model.check_family`."""
        if not loss_of(family).discrete:
            raise ValueError(
                f"model.kind = {self.kind!r} chooses one of a few actions, but the environment "
                "takes numbers; use model.kind = 'gaussian_cnn'"
            )

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> keras.Model:
        """Map [batch, height, width, channels] to [batch, num_outputs].

        Raises:
          ValueError: observations are no images.
        """
        import keras

        if len(input_shape) != 3:
            raise ValueError(
                f"model.kind = {self.kind!r} sees images [height, width, channels], but "
                f"observations are {list(input_shape)}; use model.kind = 'mlp' or 'gaussian_mlp'"
            )
        inputs = keras.Input(input_shape)
        hidden = keras.layers.Rescaling(1 / self.input_scale, name="scale")(inputs)
        for i, filters in enumerate(self.filters):
            hidden = keras.layers.Conv2D(
                filters, 3, strides=2, padding="same", activation=self.activation, name=f"conv{i}"
            )(hidden)
        hidden = keras.layers.Flatten(name="flatten")(hidden)
        for i, units in enumerate(self.hidden):
            hidden = keras.layers.Dense(units, activation=self.activation, name=f"dense{i}")(hidden)
        return keras.Model(inputs, self._head(num_outputs)(hidden))

    def _head(self, num_outputs: int) -> Any:
        import keras

        return keras.layers.Dense(num_outputs, name="head")


class GaussianCnnModel(GaussianPolicy, CategoricalCnnModel):
    """A Gaussian policy that sees images: convolutions, then dense layers, for means of actions."""

    for_choices = "categorical_cnn"
    kind: Literal["gaussian_cnn"] = "gaussian_cnn"  # type: ignore[assignment]
