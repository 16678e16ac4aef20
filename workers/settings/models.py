"""Models."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from workers.settings.section import Section, setting


class _Model(Section):
    """What every model says."""

    statistics: Literal["batch", "support", "running"] = setting(
        "batch",
        "batch normalization's, for queries: of all queries together (transductive), of each "
        "query with the support set, or running ones",
    )


class _Normalized(_Model):
    """What the shipped models say of their normalization."""

    normalization: Literal["batch", "layer", "group", "none"] = setting(
        "none", "normalization of the inputs, or of what each hidden layer computes"
    )
    groups: int = setting(
        8, "groups of channels of group normalization, 1 to 65536", ge=1, le=65536
    )

    @model_validator(mode="after")
    def _statistics_of_batches(self) -> Self:
        if self.statistics != "batch" and self.normalization != "batch":
            raise ValueError(
                f"model.statistics = {self.statistics!r} is for model.normalization = 'batch', not "
                f"{self.normalization!r}"
            )
        return self

    def _check_groups(self, channels: Iterable[int]) -> None:
        for number in channels:
            if self.normalization == "group" and number % self.groups:
                raise ValueError(
                    f"model.groups = {self.groups} does not divide {number} channels; choose a "
                    "divisor"
                )


class LinearModel(_Normalized):
    """F(x) = Wx + b."""

    kind: Literal["linear"] = "linear"


class MlpModel(_Normalized):
    """Dense layers."""

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


class GaussianMlpModel(MlpModel):
    """Dense layers for the mean of Gaussian actions, and standard deviations that depend on none.

    What a policy does in an environment whose actions are numbers.
    """

    kind: Literal["gaussian_mlp"] = "gaussian_mlp"  # type: ignore[assignment]
    hidden: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = setting(
        (100, 100), "units of each hidden layer, 1 to 65536"
    )
    activation: Literal["relu", "tanh", "elu", "gelu", "silu"] = setting(
        "tanh", "activation of the hidden layers"
    )
    initial_std: float = setting(1.0, "standard deviation that training starts with, > 0", gt=0)


class Conv4Model(_Normalized):
    """Four 3x3 convolutions, the few-shot field's standard network (Vinyals et al. 2016)."""

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


class KerasModel(_Model):
    """A Keras model of the user's own, or an encoder to put a head on."""

    kind: Literal["keras"] = "keras"
    source: str = setting(
        ...,
        "'module:function', which returns a keras.Model and is given those of input_shape and "
        "num_outputs that it takes, or a .keras file",
        bits=False,  # its content is in the fingerprint
    )
    arguments: dict[str, Any] = setting({}, "further arguments of the function, by name")
    folder: str = setting(
        ".",
        "folder that modules are imported from before all others, and of the file",
        bits=False,
        place="here",
    )
    imports: tuple[str, ...] = setting(
        (), "modules to import first: those that register custom layers with Keras", bits=False
    )
    head: str | None = setting(
        None,
        "layer that ANIL adapts alone, BOIL leaves alone and joint replaces; unset: the last one "
        "with weights",
    )
    encoder: bool = setting(
        False,
        "the model gives a vector of each example (of each text, where there are candidates): a "
        "head is put on it",
    )
    second_derivative: Literal["checked", "trusted"] = setting(
        "checked",
        "before second-order training, compare each layer's with finite differences, or trust "
        "those that stop a gradient on purpose",
        bits=False,
    )

    @field_validator("folder")
    @classmethod
    def _absolute(cls, value: str) -> str:
        """A run can be resumed, and an actor started, in another working directory."""
        return str(Path(value).expanduser().absolute())


#: The layer of a `TextModel` that holds what tokens say by themselves, beside its `head`.
LEXICAL_HEAD = "lexical_head"


class TextModel(_Model):
    """Weighted tokens and pooled embeddings of a text: to a head, or to a similarity."""

    normalization: ClassVar[str] = "none"
    head: ClassVar[tuple[str, ...]] = (LEXICAL_HEAD, "head")

    kind: Literal["text"] = "text"
    units: int = setting(64, "numbers of an embedding, 1 to 65536", ge=1, le=65536)
    heads: int = setting(
        1, "attention heads, each a weighted mean of the tokens, 1 to 65536", ge=1, le=65536
    )
    mixer: Literal["none", "convolution"] = setting(
        "none", "what tokens see of their neighbours, before attention"
    )
    width: int = setting(5, "tokens that a convolution sees, 1 to 65536", ge=1, le=65536)
    lexical: float = setting(
        4.0, "length of the vector in which each token is a dimension of its own, > 0", gt=0
    )
    semantic: float = setting(2.0, "length of the vector that embeddings make, > 0", gt=0)


class TransformerModel(_Model):
    """A decoder-only transformer, which says of each token of a text which one comes next."""

    normalization: ClassVar[str] = "none"

    kind: Literal["transformer"] = "transformer"
    layers: int = setting(2, "layers of attention and feed-forward, 1 to 1000", ge=1, le=1000)
    width: int = setting(64, "numbers that stand for a token, 1 to 65536", ge=1, le=65536)
    heads: int = setting(4, "attention heads, 1 to 65536; a divisor of the width", ge=1, le=65536)
    output: Literal["head", "tied"] = setting(
        "head", "a layer of its own, or the vectors of the embedding"
    )
    adapter_rank: int = setting(
        0,
        "rank of the adapters beside each dense layer; if > 0, the inner loop adapts them alone; "
        "to 65536",
        ge=0,
        le=65536,
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.width % self.heads:
            raise ValueError(
                f"model.heads = {self.heads} does not divide model.width = {self.width}; choose a "
                "divisor"
            )
        return self


ModelSettings = Annotated[
    LinearModel
    | MlpModel
    | Conv4Model
    | TextModel
    | TransformerModel
    | KerasModel
    | GaussianMlpModel,
    Field(discriminator="kind"),
]
