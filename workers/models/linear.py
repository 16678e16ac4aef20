"""The linear model F(x) = Wx + b, whose MAML gradient has a closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from workers.models.model import Normalized

if TYPE_CHECKING:
    import keras


class LinearModel(Normalized):
    """A linear model, F(x) = Wx + b."""

    takes = frozenset({"numbers", "images", "signals", "observations"})
    execution = "vectorized", True
    has_features = False
    kind: Literal["linear"] = "linear"

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> keras.Model:
        """Map [batch, *input_shape] to [batch, num_outputs]."""
        import keras

        from workers.models.normalization import make_normalization

        inputs = keras.Input(input_shape)
        flat = keras.layers.Flatten(name="flatten")(inputs)
        normalized = make_normalization(self, "normalization")(flat)
        return keras.Model(inputs, keras.layers.Dense(num_outputs, name="head")(normalized))
