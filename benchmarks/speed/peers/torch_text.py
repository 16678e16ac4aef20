"""The text model in PyTorch, its body and its head apart, as ANIL wants them.

Weights are a list in Keras' order; ids of 0 are no token. Tokens are looked up, the natural way.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812

Weights = Sequence[torch.Tensor]
#: Of theta: attention, the tokens' weights and their embeddings are the body; the rest, the head.
NUM_BODY = 3


class Features(NamedTuple):
    """What the head is given of texts: ids and weights [texts, length], semantic [texts, units]."""

    ids: torch.Tensor
    weights: torch.Tensor
    semantic: torch.Tensor


def body(theta: Weights, ids: torch.Tensor, semantic: float) -> Features:
    """Lexical and semantic vectors of texts, the latter of the length `semantic`."""
    attention, weights, embedding = theta[:NUM_BODY]
    there = ids != 0
    zero = torch.zeros(())
    lexical = _unit(torch.where(there, F.embedding(ids, weights).squeeze(-1), zero))
    shares = torch.where(there[..., None], F.embedding(ids, attention).exp(), zero)
    shares = shares / (shares.sum(-2, keepdim=True) + 1e-6)
    pooled = (shares.transpose(-1, -2) @ F.embedding(ids, embedding)).squeeze(-2)
    return Features(ids, lexical, semantic * _unit(pooled))


def head(theta: Weights, features: Features, lexical: float) -> torch.Tensor:
    """Logits [texts, classes]."""
    table, kernel, bias = theta
    by_words = features.weights[:, None] @ F.embedding(features.ids, table)
    return lexical * by_words.squeeze(1) + torch.addmm(bias, features.semantic, kernel)


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    squares = (vectors * vectors).sum(-1, keepdim=True)
    return vectors * torch.rsqrt(squares.clamp(min=1e-12))
