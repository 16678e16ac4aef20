"""A decoder-only transformer: it predicts the next token after each token of a text.

It uses only Keras' own layers and operations, so that a saved model needs nothing but Keras.
Source: Vaswani et al. 2017, arXiv:1706.03762; normalization before each part (Xiong et al. 2020,
arXiv:2002.04745) by root mean squares, whose second derivative is right; adapters: Hu et al. 2021,
arXiv:2106.09685.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from workers.models.model import Model
from workers.settings.section import setting

if TYPE_CHECKING:
    import keras

    from workers.algorithms.algorithm import Algorithm

#: Suffixes of the names of adapter layers.
ADAPTER = ("_adapter_down", "_adapter_up")
_SPREAD = 0.02
_NEVER = -1e9


class TransformerModel(Model):
    """A decoder-only transformer, which predicts the next token after each token of a text."""

    takes = frozenset({"sequences"})
    refusal = (
        "model.kind = 'transformer' generates texts, but task.kind = {task!r} needs something "
        "else; it is for task.kind = 'generation'"
    )
    execution = "map", True
    normalization: ClassVar[str] = "none"

    kind: Literal["transformer"] = "transformer"
    layers: int = setting(2, "layers of attention and feed-forward, 1 to 1000", ge=1, le=1000)
    width: int = setting(64, "numbers that represent a token, 1 to 65536", ge=1, le=65536)
    heads: int = setting(4, "attention heads, 1 to 65536; a divisor of the width", ge=1, le=65536)
    output: Literal["head", "tied"] = setting(
        "head", "the output layer: a layer of its own, or the vectors of the embedding"
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

    def check_algorithm(self, algorithm: Algorithm) -> None:
        """See `Model.check_algorithm`."""
        if self.adapter_rank and algorithm.adapted != "all":
            raise ValueError(
                f"model.adapter_rank = {self.adapter_rank} decides what adapts, and so does "
                f"algorithm.kind = {algorithm.kind!r}; unset one of them"
            )
        if self.adapter_rank and not algorithm.learns_unadapted:
            raise ValueError(
                f"model.adapter_rank = {self.adapter_rank} makes the inner loop change only the "
                f"adapters, and algorithm.kind = {algorithm.kind!r} trains only what that changes; "
                "use 'maml', with algorithm.first_order = true to save time"
            )
        if self.output == "tied" and algorithm.adapted != "all":
            raise ValueError(
                f"model.output = 'tied' has no head, but algorithm.kind = {algorithm.kind!r} "
                "treats the head separately; use model.output = 'head'"
            )

    @property
    def adapters(self) -> tuple[str, ...]:
        """See `Model.adapters`."""
        return ADAPTER if self.adapter_rank else ()

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> keras.Model:
        """Map ids int [batch, length] to logits of the next token, [.., length, num_outputs]."""
        import keras

        assert num_tokens is not None, "see `takes`"
        (length,) = input_shape
        inputs = keras.Input(input_shape, dtype="int32")
        hidden, tied_head = _embed(self, num_tokens, keras.ops.cast(inputs, "int32"))
        for i in range(self.layers):
            hidden = hidden + _attention(self, length, f"layer{i}", _norm(f"layer{i}_a", hidden))
            hidden = hidden + _feed_forward(self, f"layer{i}", _norm(f"layer{i}_b", hidden))
        head = tied_head or keras.layers.Dense(num_outputs, name="head")
        return keras.Model(inputs, head(_norm("last", hidden)))


def _embed(
    settings: TransformerModel, num_tokens: int, ids: Any
) -> tuple[Any, Callable[[Any], Any] | None]:
    """Add the vectors of tokens and positions; also return the head if the output is tied."""
    import keras

    ops, layers, width, length = keras.ops, keras.layers, settings.width, ids.shape[-1]
    spread = keras.initializers.RandomNormal(_SPREAD)
    if settings.output == "head":
        # One product for both is faster than a look-up, and differentiable to any order.
        both = layers.EinsumDense(
            "blt,tw->blw",
            (length, width),
            bias_axes="lw",
            kernel_initializer=spread,
            bias_initializer=spread,
            name="embedding",
        )
        return both(ops.one_hot(ids, num_tokens)), None
    tokens = layers.ReversibleEmbedding(
        num_tokens, width, embeddings_initializer=spread, name="embedding"
    )
    places = ops.cumsum(ops.ones_like(ids), axis=-1) - 1
    positions = layers.Embedding(length, width, embeddings_initializer=spread, name="positions")
    return tokens(ids) + positions(places), lambda hidden: tokens(hidden, reverse=True)


def _norm(name: str, hidden: Any) -> Any:
    import keras

    return keras.layers.RMSNormalization(name=f"{name}_norm")(hidden)


def _attention(settings: TransformerModel, length: int, name: str, hidden: Any) -> Any:
    """Apply causal attention: each position sees itself and those before it."""
    import keras

    ops, heads = keras.ops, settings.heads
    size = settings.width // heads
    merged = _dense(settings, 3 * settings.width, f"{name}_attention_in", hidden)
    parted = ops.transpose(ops.reshape(merged, (-1, length, 3 * heads, size)), (0, 2, 1, 3))
    query, key, value = (parted[:, i * heads : (i + 1) * heads] for i in range(3))
    scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * size**-0.5
    later = np.triu(np.full((length, length), _NEVER, np.float32), 1)
    attended = ops.matmul(ops.softmax(scores + later, axis=-1), value)
    joined = ops.reshape(ops.transpose(attended, (0, 2, 1, 3)), (-1, length, settings.width))
    return _dense(settings, settings.width, f"{name}_attention_out", joined)


def _feed_forward(settings: TransformerModel, name: str, hidden: Any) -> Any:
    import keras

    inner = _dense(settings, 4 * settings.width, f"{name}_inner", hidden)
    inner = keras.layers.Activation("gelu", name=f"{name}_gelu")(inner)
    return _dense(settings, settings.width, f"{name}_outer", inner)


def _dense(settings: TransformerModel, units: int, name: str, inputs: Any) -> Any:
    """Apply a dense layer, with a low-rank adapter beside it if configured; it is 0 at first."""
    import keras

    outputs = keras.layers.Dense(units, name=name)(inputs)
    if not settings.adapter_rank:
        return outputs
    down, up = (name + end for end in ADAPTER)
    narrow = keras.layers.Dense(settings.adapter_rank, use_bias=False, name=down)(inputs)
    zeros = {"use_bias": False, "kernel_initializer": "zeros", "name": up}
    return outputs + keras.layers.Dense(units, **zeros)(narrow)
