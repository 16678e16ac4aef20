"""A linear layer over waves of its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from workers.models.model import Model
from workers.settings.section import setting

if TYPE_CHECKING:
    import keras


class WavesModel(Model):
    """Sines of the inputs, of whole frequencies, to a linear layer."""

    takes = frozenset({"numbers"})
    execution = "vectorized", False
    kind: Literal["waves"] = "waves"
    frequencies: int = setting(4, "number of frequencies, 1 to 100", ge=1, le=100)

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> keras.Model:
        """Map [batch, *input_shape] to [batch, num_outputs]."""
        import keras

        inputs = keras.Input(input_shape)
        waves = [keras.ops.sin(inputs * float(i)) for i in range(1, self.frequencies + 1)]
        features = keras.layers.Flatten()(keras.ops.concatenate(waves, axis=-1))
        return keras.Model(inputs, keras.layers.Dense(num_outputs, name="head")(features))
