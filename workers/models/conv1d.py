"""A convolutional network over the samples of a signal, or over its spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator

from workers.models.model import Normalized
from workers.settings.section import Section, setting

if TYPE_CHECKING:
    import keras

    from workers.settings.task import AnyTask

# Added to the power of a spectrogram before its logarithm: a signal of silence stays finite.
_SILENCE = 1e-6
#: The block whose channels context parameters scale and shift; of fewer blocks it is the last.
_WITH_CONTEXT = 2


class Spectrogram(Section):
    """What a spectrogram is made of."""

    window: int = setting(..., "samples of a spectrum, 4 to 65536", ge=4, le=65536)
    hop: int = setting(..., "samples from one spectrum to the next, 1 to 65536", ge=1, le=65536)

    @model_validator(mode="after")
    def _no_sample_is_passed_over(self) -> Self:
        if self.hop > self.window:
            raise ValueError(
                f"model.spectrogram.hop = {self.hop} is above model.spectrogram.window = "
                f"{self.window}: samples between two spectra would be passed over; lower it"
            )
        return self


class Conv1dModel(Normalized):
    """Convolutions over time, each with normalization and half the length of the one before."""

    takes = frozenset({"signals"})
    # As one batch, or with XLA, convolutions take ten times as long on a CPU.
    execution = "map", False
    takes_context = True
    kind: Literal["conv1d"] = "conv1d"
    blocks: int = setting(4, "convolutions, 1 to 20", ge=1, le=20)
    channels: int = setting(64, "channels of each convolution, 1 to 65536", ge=1, le=65536)
    kernel: int = setting(5, "samples that a convolution looks at, 1 to 1024", ge=1, le=1024)
    stride: int = setting(
        2, "by how much each block shortens its input, 1 to 64; 1: not", ge=1, le=64
    )
    downsample: Literal["stride", "max_pool"] = setting(
        "stride", "how: by the stride of its convolution, or by the maximum of neighbours"
    )
    normalization: Literal["batch", "layer", "group", "none"] = setting(
        "batch", "normalization after each convolution"
    )
    readout: Literal["flatten", "mean"] = setting(
        "mean", "what the head sees of the last layer: all of it, or its mean over time"
    )
    spectrogram: Spectrogram | None = setting(
        None,
        "{window, hop}: the convolutions see the logarithm of the power of each frequency (and "
        "channel), spectrum after spectrum, in place of the samples; unset: the samples",
    )

    @model_validator(mode="after")
    def _groups_fit(self) -> Self:
        self._check_groups([self.channels])
        return self

    def check_task(self, task: AnyTask) -> None:
        """See `Model.check_task`."""
        super().check_task(task)
        length = getattr(task, "window", None)
        if length is not None:
            self._check_length(length)

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> keras.Model:
        """Map [batch, length, channels] to [batch, num_outputs].

        Inside, signals are images of height 1: TensorFlow computes a convolution of one dimension
        so anyway, and fused normalization takes no others.

        Raises:
          ValueError: examples are no signals, or too short.
        """
        return self._network(input_shape, num_outputs, 0)

    def with_context(
        self, input_shape: tuple[int, ...], num_outputs: int, context_size: int
    ) -> keras.Model:
        """See `Model.with_context`; the third block has FiLM after its normalization."""
        return self._network(input_shape, num_outputs, context_size)

    def _network(
        self, input_shape: tuple[int, ...], num_outputs: int, context_size: int
    ) -> keras.Model:
        import keras

        if len(input_shape) != 2:
            remedy = "give x an axis of channels, x[..., None]" if len(input_shape) == 1 else ""
            raise ValueError(
                f"the tasks have examples of shape {list(input_shape)}, but model.kind = 'conv1d' "
                f"takes signals [length, channels]; {remedy or 'use another model'}"
            )
        self._check_length(input_shape[0])
        inputs = keras.Input(input_shape)
        hidden = inputs if self.spectrogram is None else _spectra(inputs, self.spectrogram)
        hidden = keras.layers.Reshape((1, *hidden.shape[1:]), name="row")(hidden)
        for i in range(self.blocks):
            here = i == min(_WITH_CONTEXT, self.blocks - 1)
            hidden = self._block(hidden, i, context_size if here else 0)
        if self.readout == "flatten":
            hidden = keras.layers.Flatten(name="flatten")(hidden)
        else:
            hidden = keras.layers.GlobalAveragePooling2D(name="mean")(hidden)
        return keras.Model(inputs, keras.layers.Dense(num_outputs, name="head")(hidden))

    def _block(self, hidden: Any, number: int, context_size: int) -> Any:
        """[batch, 1, length, channels] -> the same with a shorter length."""
        import keras

        from workers.models.normalization import make_normalization

        strided = self.downsample == "stride"
        hidden = keras.layers.Conv2D(
            self.channels,
            (1, self.kernel),
            strides=(1, self.stride if strided else 1),
            padding="same",
            use_bias=self.normalization == "none",
            name=f"conv{number}",
        )(hidden)
        hidden = make_normalization(self, f"normalization{number}")(hidden)
        if context_size:
            from workers.models.conditioning.context import film

            hidden = film(hidden, context_size)
        hidden = keras.layers.ReLU(name=f"relu{number}")(hidden)
        return hidden if strided else _maxima(hidden, self.stride, number)

    def _check_length(self, samples: int) -> None:
        """Raise ValueError unless something is left of a signal at the last block."""
        length = samples
        if self.spectrogram is not None:
            window, hop = self.spectrogram.window, self.spectrogram.hop
            if samples < window:
                raise ValueError(
                    f"model.spectrogram.window = {window} is longer than an example, which has "
                    f"{samples} samples; lower it, or raise task.window"
                )
            length = 1 + (samples - window) // hop
        for block in range(self.blocks):
            if length < self.stride and self.stride > 1:
                what = "spectra" if self.spectrogram is not None else "samples"
                raise ValueError(
                    f"model.blocks = {self.blocks} is too many for an example of {samples} "
                    f"samples: block {block} would see {length} {what}; lower it to {block} or "
                    "fewer" + (", or lower model.spectrogram.hop" if self.spectrogram else "")
                )
            length = (
                -(-length // self.stride)
                if self.downsample == "stride"
                else (length // self.stride)
            )


def _maxima(hidden: Any, width: int, number: int) -> Any:
    """Return the maximum of `width` neighbours in time; what is left over at the end is dropped.

    As a reduction, whose second derivative is right with XLA too; that of max pooling is not.
    """
    import keras

    if width == 1:
        return hidden
    _, _, length, channels = hidden.shape
    whole = length // width * width
    parts = keras.layers.Reshape((length // width, width, channels), name=f"parts{number}")(
        hidden[:, :, :whole]
    )
    maxima = keras.ops.max(parts, axis=2)
    return keras.layers.Reshape((1, length // width, channels), name=f"pool{number}")(maxima)


def _spectra(inputs: Any, settings: Spectrogram) -> Any:
    """[batch, length, channels] -> [batch, spectra, frequencies * channels], about 0 in size 1.

    The logarithm of the power, under a Hann window, of signals of standard deviation 1.
    """
    from keras import ops

    window, hop = settings.window, settings.hop
    first = ops.transpose(inputs, (0, 2, 1))
    real, imaginary = ops.stft(first, window, hop, window, window="hann", center=False)
    # A Hann window's squares add up to 3/8 of its length: white noise has a power of 1 then.
    power = (ops.square(real) + ops.square(imaginary)) / (0.375 * window)
    decibels = ops.log(power + _SILENCE)
    _, channels, spectra, frequencies = decibels.shape
    return ops.reshape(ops.transpose(decibels, (0, 2, 3, 1)), (-1, spectra, frequencies * channels))
