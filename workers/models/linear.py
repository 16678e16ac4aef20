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
    takes_context = True
    kind: Literal["linear"] = "linear"

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> keras.Model:
        """Map [batch, *input_shape] to [batch, num_outputs]."""
        return self._network(input_shape, num_outputs, 0)

    def with_context(
        self, input_shape: tuple[int, ...], num_outputs: int, context_size: int
    ) -> keras.Model:
        """See `Model.with_context`; the parameters are additional inputs, not normalized."""
        return self._network(input_shape, num_outputs, context_size)

    def _network(
        self, input_shape: tuple[int, ...], num_outputs: int, context_size: int
    ) -> keras.Model:
        import keras

        from workers.models.normalization import make_normalization

        inputs = keras.Input(input_shape)
        flat = keras.layers.Flatten(name="flatten")(inputs)
        normalized = make_normalization(self, "normalization")(flat)
        if context_size:
            from workers.models.conditioning.context import concatenated

            normalized = concatenated(normalized, context_size)
        return keras.Model(inputs, keras.layers.Dense(num_outputs, name="head")(normalized))
