"""The four-layer convolutional network of the few-shot field.

Source: Vinyals et al. 2016 (arXiv:1606.04080); strided for Omniglot as in Finn et al. 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from workers.models.model import Normalized
from workers.settings.section import setting

if TYPE_CHECKING:
    import keras

    from workers.settings.task import AnyTask

_SMALLEST = 16
#: The block whose channels context parameters scale and shift, as in the authors' code.
_WITH_CONTEXT = 2


class Conv4Model(Normalized):
    """Four 3x3 convolutions, the few-shot field's standard network (Vinyals et al. 2016)."""

    takes = frozenset({"images"})
    takes_context = True
    kind: Literal["conv4"] = "conv4"
    filters: int = setting(64, "filters of each convolution, 1 to 65536", ge=1, le=65536)
    downsample: Literal["stride", "max_pool"] = setting(
        "stride", "how each layer halves its input: stride 2, or a 2x2 maximum"
    )
    normalization: Literal["batch", "layer", "group", "none"] = setting(
        "batch", "normalization after each convolution"
    )
    readout: Literal["flatten", "mean"] = setting(
        "flatten", "what the head sees of the last layer: all of it, or its mean over positions"
    )

    @model_validator(mode="after")
    def _groups_fit(self) -> Self:
        self._check_groups([self.filters])
        return self

    def check_task(self, task: AnyTask) -> None:
        """See `Model.check_task`."""
        super().check_task(task)
        size: int | str = getattr(task, "image_size", "auto")
        if isinstance(size, int) and size < _SMALLEST:
            raise ValueError(
                f"task.image_size = {size} is too small for model.kind = 'conv4', which halves its "
                f"input four times; use {_SMALLEST} or more"
            )

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> keras.Model:
        """Map [batch, height, width, channels] to [batch, num_outputs]."""
        return self._network(input_shape, num_outputs, 0)

    def with_context(
        self, input_shape: tuple[int, ...], num_outputs: int, context_size: int
    ) -> keras.Model:
        """See `Model.with_context`; the third block has FiLM after its normalization."""
        return self._network(input_shape, num_outputs, context_size)

    def _network(
        self, input_shape: tuple[int, ...], num_outputs: int, context_size: int
    ) -> keras.Model:
        _check_images(input_shape, self.downsample)
        import keras

        from workers.models.normalization import make_normalization

        strided = self.downsample == "stride"
        inputs = keras.Input(input_shape)
        hidden = inputs
        for i in range(4):
            hidden = keras.layers.Conv2D(
                self.filters,
                3,
                strides=2 if strided else 1,
                padding="same",
                use_bias=self.normalization == "none",
                name=f"conv{i}",
            )(hidden)
            hidden = make_normalization(self, f"normalization{i}")(hidden)
            if context_size and i == _WITH_CONTEXT:
                from workers.models.conditioning.context import film

                hidden = film(hidden, context_size)
            hidden = keras.layers.ReLU(name=f"relu{i}")(hidden)
            if not strided:
                hidden = keras.layers.MaxPooling2D(2, name=f"pool{i}")(hidden)
        if self.readout == "flatten":
            hidden = keras.layers.Flatten(name="flatten")(hidden)
        else:
            hidden = keras.layers.GlobalAveragePooling2D(name="mean")(hidden)
        return keras.Model(inputs, keras.layers.Dense(num_outputs, name="head")(hidden))


def _check_images(shape: tuple[int, ...], downsample: str) -> None:
    """Raise ValueError if examples of that shape are none, or are halved away."""
    said = f"examples of shape {list(shape)}, but model.kind = 'conv4' takes images"
    if len(shape) != 3:
        raise ValueError(
            f"the tasks have {said} [height, width, channels]; use model.kind = 'mlp' or 'linear'"
        )
    if downsample == "max_pool" and min(shape[:2]) < _SMALLEST:
        raise ValueError(
            f"the tasks have {said} of {_SMALLEST} pixels or more with model.downsample = "
            "'max_pool', which halves them four times; use model.downsample = 'stride'"
        )
