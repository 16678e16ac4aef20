"""The text model in PyTorch, with its body and its head separate, as ANIL needs them.

Weights are a list in Keras' order; an id of 0 is no token. Tokens are looked up.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812

Weights = Sequence[torch.Tensor]
#: Number of arrays in the body: attention, tokens' weights and embeddings. The rest is the head.
NUM_BODY = 3


class Features(NamedTuple):
    """The head's inputs: ids and weights [texts, length], semantic [texts, units]."""

    ids: torch.Tensor
    weights: torch.Tensor
    semantic: torch.Tensor


def body(theta: Weights, ids: torch.Tensor, semantic: float) -> Features:
    """Compute lexical and semantic vectors of texts, the latter of the length `semantic`."""
    attention, weights, embedding = theta[:NUM_BODY]
    is_token = ids != 0
    zero = torch.zeros(())
    lexical = _unit(torch.where(is_token, F.embedding(ids, weights).squeeze(-1), zero))
    shares = torch.where(is_token[..., None], F.embedding(ids, attention).exp(), zero)
    shares = shares / (shares.sum(-2, keepdim=True) + 1e-6)
    pooled = (shares.transpose(-1, -2) @ F.embedding(ids, embedding)).squeeze(-2)
    return Features(ids, lexical, semantic * _unit(pooled))


def head(theta: Weights, features: Features, lexical: float) -> torch.Tensor:
    """Compute logits [texts, classes]."""
    table, kernel, bias = theta
    by_words = features.weights[:, None] @ F.embedding(features.ids, table)
    return lexical * by_words.squeeze(1) + torch.addmm(bias, features.semantic, kernel)


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    squares = (vectors * vectors).sum(-1, keepdim=True)
    return vectors * torch.rsqrt(squares.clamp(min=1e-12))
