"""How well single texts were foreseen, from a model's outputs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]


def bits_of_texts(outputs: Numbers, targets: Numbers) -> Numbers:
    """Bits per token of each text: float64 [..., texts].

    Args:
      outputs: logits [..., texts, length, tokens]. targets: int [texts, length]; -1: none there.
    """
    logits = outputs.astype(np.float64)
    peak = logits.max(-1, keepdims=True)
    norm = np.log(np.exp(logits - peak).sum(-1)) + peak[..., 0]
    chosen = np.broadcast_to(np.maximum(targets, 0), logits.shape[:-1])[..., None]
    nats = norm - np.take_along_axis(logits, chosen, -1)[..., 0]
    there = targets >= 0
    found: Numbers = (nats * there).sum(-1) / there.sum(-1) / np.log(2)
    return found


def mean_bits(of_texts: Numbers, targets: Numbers) -> Numbers:
    """Over all tokens of a task's texts, as its loss is: [..., texts] -> [...]."""
    sizes = (targets >= 0).sum(-1).astype(np.float64)
    found: Numbers = (of_texts * sizes).sum(-1) / sizes.sum()
    return found
