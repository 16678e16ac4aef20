"""Token dropout: training tasks see each text without some of its tokens, other ones each time.

Iyyer et al. 2015, "Deep unordered composition rivals syntactic methods for text classification"
(word dropout, section 3.2).
"""

import numpy as np

from workers.wire.protocol import Array, Draw

_MOST = 2**31 - 1


def draw_seeds(draw: Draw, lo: int, hi: int, rate: float) -> dict[str, Array]:
    """Draw a seed of each task's dropout, int32 [tasks]; {} where nothing is left out.

    Args:
      rate: the share of tokens to leave out in training. Other tasks see whole texts.
    """
    if not rate or draw.split != "train":
        return {}
    seeds = [draw.generator(task, "tokens").integers(_MOST) for task in range(lo, hi)]
    return {"token_seeds": np.array(seeds, np.int32)}


def leave_out(ids: Array, seed: int, rate: float) -> Array:
    """Replace each token by 0, which is none, with probability `rate`.

    A text that would lose all of its tokens keeps them all.

    Args:
      ids: int32 [..., length], the texts of one task.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    kept = (rng.random(ids.shape, np.float32) >= rate) & (ids != 0)
    kept |= ~kept.any(-1, keepdims=True)
    return np.where(kept, ids, 0)
