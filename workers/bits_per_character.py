"""Bits per character: how well a language model predicted single texts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]


def bits_of_texts(outputs: Numbers, targets: Numbers) -> Numbers:
    """Compute the bits per token of each text: float64 [..., texts].

    Args:
      outputs: logits [..., texts, length, tokens].
      targets: int [texts, length]; -1: no token.
    """
    logits = outputs.astype(np.float64)
    peak = logits.max(-1, keepdims=True)
    norm = np.log(np.exp(logits - peak).sum(-1)) + peak[..., 0]
    chosen = np.broadcast_to(np.maximum(targets, 0), logits.shape[:-1])[..., None]
    nats = norm - np.take_along_axis(logits, chosen, -1)[..., 0]
    is_token = targets >= 0
    bits: Numbers = (nats * is_token).sum(-1) / is_token.sum(-1) / np.log(2)
    return bits


def mean_bits(of_texts: Numbers, targets: Numbers) -> Numbers:
    """Average over all tokens of a task's texts, as its loss does: [..., texts] -> [...]."""
    sizes = (targets >= 0).sum(-1).astype(np.float64)
    bits: Numbers = (of_texts * sizes).sum(-1) / sizes.sum()
    return bits
