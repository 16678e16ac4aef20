"""The network of R2D2 (Bertinetto et al. 2019): the last two of four blocks are features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from workers.models.model import Normalized
from workers.settings.section import setting

if TYPE_CHECKING:
    import keras

    from workers.settings.task import AnyTask

_SMALLEST = 16
_SLOPE = 0.1


class R2d2Model(Normalized):
    """Four 3x3 convolutions, of which the last two make the features (Bertinetto et al. 2019).

    Each of the first three blocks halves its input by a 2x2 maximum. The features are what a 2x2
    maximum that moves by one pixel makes of the third block and of the fourth.

    Source: arXiv:1805.08136, and github.com/bertinetto/r2d2, which has dropout too.
    """

    takes = frozenset({"images"})
    kind: Literal["r2d2"] = "r2d2"
    filters: tuple[Annotated[int, Field(strict=True, ge=1, le=65536)], ...] = setting(
        (96, 192, 384, 512),
        "filters of the four convolutions, 1 to 65536 each",
        min_length=4,
        max_length=4,
    )
    normalization: Literal["batch", "layer", "group", "none"] = setting(
        "batch", "normalization after each convolution"
    )

    @model_validator(mode="after")
    def _groups_fit(self) -> Self:
        self._check_groups(self.filters)
        return self

    def check_task(self, task: AnyTask) -> None:
        """See `Model.check_task`."""
        super().check_task(task)
        size: int | str = getattr(task, "image_size", "auto")
        if isinstance(size, int) and size < _SMALLEST:
            raise ValueError(
                f"task.image_size = {size} is too small for model.kind = 'r2d2', which halves its "
                f"input three times; use {_SMALLEST} or more"
            )

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> keras.Model:
        """Map [batch, height, width, channels] to [batch, num_outputs]."""
        if len(input_shape) != 3 or min(input_shape[:2]) < _SMALLEST:
            raise ValueError(
                f"the tasks have examples of shape {list(input_shape)}, but model.kind = 'r2d2' "
                f"takes images [height, width, channels] of {_SMALLEST} pixels or more; use "
                "another model.kind"
            )
        import keras

        from workers.models.normalization import make_normalization

        inputs = keras.Input(input_shape)
        hidden, features = inputs, []
        for i, filters in enumerate(self.filters):
            hidden = keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=self.normalization == "none",
                name=f"conv{i}",
            )(hidden)
            hidden = make_normalization(self, f"normalization{i}")(hidden)
            strides = 1 if i == 3 else 2
            hidden = keras.layers.MaxPooling2D(2, strides=strides, name=f"pool{i}")(hidden)
            hidden = keras.layers.LeakyReLU(negative_slope=_SLOPE, name=f"relu{i}")(hidden)
            if i == 2:
                pooled = keras.layers.MaxPooling2D(2, strides=1, name="third")(hidden)
                features.append(keras.layers.Flatten(name="flatten_third")(pooled))
        features.append(keras.layers.Flatten(name="flatten")(hidden))
        both = keras.layers.Concatenate(name="features")(features)
        return keras.Model(inputs, keras.layers.Dense(num_outputs, name="head")(both))
