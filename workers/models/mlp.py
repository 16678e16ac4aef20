"""Multi-layer perceptrons: for any numbers, and for policies whose actions are numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from workers.models.model import Normalized
from workers.models.policies.gaussian import GaussianPolicy
from workers.settings.inputs import OBSERVATIONS
from workers.settings.section import setting

if TYPE_CHECKING:
    import keras

    from workers.algorithms.algorithm import Algorithm


class MlpModel(Normalized):
    """A multi-layer perceptron: dense layers."""

    takes = frozenset({"numbers", "images", "signals", "observations"})
    execution = "vectorized", True
    takes_context = True
    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = setting(
        (40, 40), "units of each hidden layer, 1 to 65536"
    )
    activation: Literal["relu", "tanh", "elu", "gelu", "silu"] = setting(
        "relu", "activation of the hidden layers"
    )

    @model_validator(mode="after")
    def _groups_fit(self) -> Self:
        self._check_groups(self.hidden)
        return self

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> keras.Model:
        """Map [batch, *input_shape] to [batch, num_outputs]."""
        return self._network(input_shape, num_outputs, 0)

    def with_context(
        self, input_shape: tuple[int, ...], num_outputs: int, context_size: int
    ) -> keras.Model:
        """See `Model.with_context`; the parameters are additional inputs."""
        return self._network(input_shape, num_outputs, context_size)

    def check_algorithm(self, algorithm: Algorithm) -> None:
        """See `Model.check_algorithm`."""
        if algorithm.num_context and self.normalization == "batch":
            raise ValueError(
                "model.normalization = 'batch' takes away what is the same in a batch, such as the "
                f"context parameters of algorithm.kind = {algorithm.kind!r}; use 'layer' or 'none'"
            )

    def _network(
        self, input_shape: tuple[int, ...], num_outputs: int, context_size: int
    ) -> keras.Model:
        import keras

        inputs = keras.Input(input_shape)
        hidden = self._hidden_layers(inputs, context_size)
        return keras.Model(inputs, self._head(num_outputs)(hidden))

    def _head(self, num_outputs: int) -> Any:
        import keras

        return keras.layers.Dense(num_outputs, name="head")

    def _hidden_layers(self, inputs: Any, context_size: int) -> Any:
        """Map [batch, *input_shape] to the inputs of the head."""
        import keras

        from workers.models.normalization import make_normalization

        hidden = keras.layers.Flatten(name="flatten")(inputs)
        if context_size:
            from workers.models.conditioning.context import concatenated

            hidden = concatenated(hidden, context_size)
        for i, units in enumerate(self.hidden):
            hidden = keras.layers.Dense(units, name=f"dense{i}")(hidden)
            hidden = make_normalization(self, f"normalization{i}")(hidden)
            hidden = keras.layers.Activation(self.activation, name=f"activation{i}")(hidden)
        return hidden


class GaussianMlpModel(GaussianPolicy, MlpModel):
    """A Gaussian policy: dense layers for the mean of actions, and constant standard deviations.

    It is for environments whose actions are numbers.
    """

    for_choices = "mlp"
    takes = OBSERVATIONS
    refusal = (
        "model.kind = 'gaussian_mlp' is a policy, but task.kind = {task!r} has no environments to "
        "act in; use model.kind = 'mlp'"
    )
    kind: Literal["gaussian_mlp"] = "gaussian_mlp"  # type: ignore[assignment]
    hidden: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = setting(
        (100, 100), "units of each hidden layer, 1 to 65536"
    )
    activation: Literal["relu", "tanh", "elu", "gelu", "silu"] = setting(
        "tanh", "activation of the hidden layers"
    )
