"""The decoder-only transformer in PyTorch, as a function of a list of weights in Keras' order.

Tokens are looked up; targets below 0 are padding.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention import SDPBackend, sdpa_kernel

EPSILON = 1e-6

Weights = Sequence[torch.Tensor]


def loss(heads: int, fused: bool) -> Callable[[Weights, torch.Tensor, torch.Tensor], torch.Tensor]:
    """Make the function of the mean cross-entropy over all tokens.

    Args:
      fused: whether to use PyTorch's own attention, with its only backend that can be
        differentiated twice, rather than written out.
    """

    def next_token(theta: Weights, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logits = _logits(theta, ids, heads, fused)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)

    return next_token


def _logits(theta: Weights, ids: torch.Tensor, heads: int, fused: bool) -> torch.Tensor:
    tokens, positions, *layers, scale, kernel, bias = theta
    hidden = F.embedding(ids, tokens) + positions
    for i in range(0, len(layers), 10):
        a, in_w, in_b, out_w, out_b, b, up_w, up_b, down_w, down_b = layers[i : i + 10]
        merged = _dense(_norm(hidden, a), in_w, in_b)
        hidden = hidden + _dense(_attention(merged, heads, fused), out_w, out_b)
        inner = F.gelu(_dense(_norm(hidden, b), up_w, up_b))
        hidden = hidden + _dense(inner, down_w, down_b)
    return _dense(_norm(hidden, scale), kernel, bias)


def _norm(hidden: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return F.rms_norm(hidden, scale.shape, scale, EPSILON)


def _dense(inputs: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    flat = torch.addmm(bias, inputs.flatten(0, 1), kernel)
    return flat.unflatten(0, inputs.shape[:2])


def _attention(merged: torch.Tensor, heads: int, fused: bool) -> torch.Tensor:
    number, length, _ = merged.shape
    parted: Any = merged.view(number, length, 3 * heads, -1).transpose(1, 2)
    query, key, value = parted.split(heads, 1)
    if fused:
        with sdpa_kernel(SDPBackend.MATH):
            attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    else:
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        mask = torch.full((length, length), -1e9).triu(1)
        attended = (scores + mask).softmax(-1) @ value
    return attended.transpose(1, 2).reshape(number, length, -1)
