"""A model of texts, as token ids: to classes, or to the similarity with each of some candidates.

A text becomes two vectors of fixed length: a lexical one, in which each token is its own dimension
with a learned weight, as in TF-IDF; and a semantic one, its tokens' embeddings pooled by attention.
The first distinguishes texts by words that training has never seen, the second by learned meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from workers.models.model import Model
from workers.settings.section import setting

if TYPE_CHECKING:
    import keras

#: The layer of the lexical weights, which is part of the head beside the layer `head`.
LEXICAL_HEAD = "lexical_head"


class TextModel(Model):
    """A model of weighted tokens and pooled embeddings, with a head for classes or similarities."""

    takes = frozenset({"texts"})
    normalization: ClassVar[str] = "none"

    kind: Literal["text"] = "text"
    units: int = setting(64, "numbers of an embedding, 1 to 65536", ge=1, le=65536)
    heads: int = setting(
        1, "attention heads, each a weighted mean of the tokens, 1 to 65536", ge=1, le=65536
    )
    mixer: Literal["none", "convolution"] = setting(
        "none", "how tokens see their neighbours before attention"
    )
    width: int = setting(5, "tokens that a convolution sees, 1 to 65536", ge=1, le=65536)
    lexical: float = setting(
        4.0, "length of the vector in which each token is its own dimension, > 0", gt=0
    )
    semantic: float = setting(2.0, "length of the vector of pooled embeddings, > 0", gt=0)

    @property
    def head_layers(self) -> str | Sequence[str] | None:
        """See `Model.head_layers`."""
        return LEXICAL_HEAD, "head"

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> keras.Model:
        """Map texts to classes, or a text and its candidates to similarities; id 0 is no token.

        Ids int [batch, length] -> classes [batch, num_outputs], or [batch, 1 + candidates, length]
        -> similarities [batch, candidates].
        """
        import keras

        assert num_tokens is not None, "see `takes`"
        inputs = keras.Input(input_shape, dtype="int32")
        semantic = _semantic(self, inputs, num_tokens)
        if len(input_shape) == 1:
            name = "weights"
            terms = _terms(inputs, num_tokens, name)
            outputs = _classes(self, terms, semantic, num_tokens, num_outputs)
        else:
            name = LEXICAL_HEAD  # here the weights decide similarity, and adapt with the head
            terms = _terms(inputs, num_tokens, name)
            outputs = _similarities(self, terms, semantic)
        model = keras.Model(inputs, outputs)
        model.get_layer(name).set_weights([_rarity(num_tokens)])
        return model

    def features(self, model: keras.Model) -> keras.Model:
        """See `Model.features`: the weight of each token there is, then the embedding."""
        import keras

        from workers.models.token_embedding import TokenBag

        (ids,) = model.inputs
        weights, semantic = model.get_layer("lexical"), model.get_layer("semantic_length")
        bag_of = TokenBag(model.get_layer("embedding").input_dim, name="bag")
        bag = bag_of(ids, count_weights=weights.output)
        return keras.Model(ids, keras.layers.Concatenate()([self.lexical * bag, semantic.output]))


class _Terms(NamedTuple):
    """The tokens of a text.

    ids: [..., length].
    weights: [..., length], of norm 1.
    """

    ids: Any
    weights: Any


def _rarity(num_tokens: int) -> Any:
    """Compute the weight of each token before training: float32 [num_tokens, 1], up to 1.

    The vocabulary is sorted, most frequent first: by Zipf's law a token's inverse document
    frequency grows with the logarithm of its rank.
    """
    ranks = np.arange(num_tokens, dtype=np.float32)[:, None]
    return np.log1p(ranks) / np.log1p(np.float32(num_tokens))


def _terms(ids: Any, num_tokens: int, name: str) -> _Terms:
    """Weight the tokens as in TF-IDF, but with learned weights."""
    import keras

    from workers.models.token_embedding import TokenEmbedding

    ops = keras.ops
    table = TokenEmbedding(num_tokens, 1, name=name)
    weights = ops.where(ops.not_equal(ids, 0), ops.squeeze(table(ids), -1), 0.0)
    return _Terms(ids, keras.layers.UnitNormalization(axis=-1, name="lexical")(weights))


def _classes(
    settings: TextModel, terms: _Terms, semantic: Any, num_tokens: int, num_outputs: int
) -> Any:
    """Add a linear layer over all tokens, of which a text has few, and one over its embedding."""
    import keras

    from workers.models.heads import classes
    from workers.models.token_embedding import TokenEmbedding

    ops = keras.ops
    table = TokenEmbedding(
        num_tokens, num_outputs, embeddings_initializer="zeros", name=LEXICAL_HEAD
    )
    lexical = ops.matmul(ops.expand_dims(terms.weights, -2), table(terms.ids))
    return settings.lexical * ops.squeeze(lexical, -2) + classes(semantic, num_outputs)


def _similarities(settings: TextModel, terms: _Terms, semantic: Any) -> Any:
    """Add the cosine of the weights of common tokens and that of embeddings, mapped by a matrix."""
    import keras

    from workers.models.heads import similarities

    ops = keras.ops
    # [batch, candidates, length, length]: which token of a candidate is which of the text.
    same = ops.equal(terms.ids[:, 1:, :, None], terms.ids[:, :1, None, :])
    of_text = ops.matmul(ops.cast(same, "float32"), terms.weights[:, :1, :, None])
    lexical = ops.sum(ops.squeeze(of_text, -1) * terms.weights[:, 1:], axis=-1)
    return settings.lexical**2 * lexical + similarities(semantic)


def _semantic(settings: TextModel, ids: Any, num_tokens: int) -> Any:
    import keras

    from workers.models.token_embedding import TokenEmbedding

    ops, layers = keras.ops, keras.layers
    is_token = ops.expand_dims(ops.not_equal(ids, 0), -1)
    vectors = TokenEmbedding(num_tokens, settings.units, name="embedding")(ids)
    if settings.mixer == "convolution":
        shape = _shape_of(vectors)
        rows = ops.reshape(ops.where(is_token, vectors, 0.0), (-1, *shape[-2:]))
        rows = layers.Conv1D(
            settings.units, settings.width, padding="same", activation="relu", name="convolution"
        )(rows)
        vectors = ops.reshape(rows, shape)
    attention = TokenEmbedding(
        num_tokens, settings.heads, embeddings_initializer="zeros", name="attention"
    )(ids)
    attention = ops.where(is_token, ops.exp(attention), 0.0)
    attention = attention / (ops.sum(attention, axis=-2, keepdims=True) + 1e-6)
    pooled = ops.matmul(ops.swapaxes(attention, -1, -2), vectors)
    pooled = ops.reshape(pooled, (*_shape_of(pooled)[:-2], settings.heads * settings.units))
    return _normalized(pooled, settings.semantic, "semantic")


def _normalized(vectors: Any, length: float, name: str) -> Any:
    """Scale vectors to the given length."""
    import keras

    unit = keras.layers.UnitNormalization(axis=-1, name=name)(vectors)
    return keras.layers.Rescaling(length, name=f"{name}_length")(unit)


def _shape_of(tensor: Any) -> tuple[int, ...]:
    """Return the shape of a tensor, with -1 for the batch."""
    return tuple(-1 if size is None else size for size in tensor.shape)
