"""Recurrent policies: a gated recurrent unit, one step at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from workers.models.model import Model
from workers.models.policies.gaussian import GaussianPolicy
from workers.settings.inputs import OBSERVATIONS
from workers.settings.section import setting

if TYPE_CHECKING:
    import keras

    from workers.algorithms.algorithm import Algorithm


class GruModel(Model):
    """A gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), as Keras computes it.

    The network computes a single step; who uses it keeps the state.
    """

    takes = OBSERVATIONS
    refusal = (
        "model.kind = {model!r} is a policy, but task.kind = {task!r} has no environments to act "
        "in; use another model, such as 'mlp'"
    )
    execution = "vectorized", False
    normalization: ClassVar[str] = "none"
    kind: Literal["gru"] = "gru"
    units: int = setting(64, "numbers of the state, 1 to 4096", ge=1, le=4096)

    @property
    def state_size(self) -> int:
        """See `Model.state_size`."""
        return self.units

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> keras.Model:
        """Map [batch, inputs + units] to [batch, num_outputs + units]."""
        import keras

        inputs = keras.Input(input_shape)
        seen, state = inputs[:, : -self.units], inputs[:, -self.units :]
        after, _ = keras.layers.GRUCell(self.units, name="gru")(seen, [state])
        outputs = self._head(num_outputs)(after)
        return keras.Model(inputs, keras.layers.Concatenate(name="joined")([outputs, after]))

    def _head(self, num_outputs: int) -> Any:
        import keras

        return keras.layers.Dense(num_outputs, name="head")

    def check_algorithm(self, algorithm: Algorithm) -> None:
        """See `Model.check_algorithm`."""
        if not algorithm.num_episodes:
            raise ValueError(
                f"model.kind = {self.kind!r} keeps a state over a task's episodes, which "
                f"algorithm.kind = {algorithm.kind!r} does not; use algorithm.kind = 'rl2', or "
                "model.kind = 'gaussian_mlp' or 'mlp'"
            )


class GaussianGruModel(GaussianPolicy, GruModel):
    """A recurrent Gaussian policy: means from the state, and constant standard deviations.

    It is for environments whose actions are numbers.
    """

    for_choices = "gru"
    kind: Literal["gaussian_gru"] = "gaussian_gru"  # type: ignore[assignment]
