"""The multi-step loss: the outer losses after each inner step, weighted and added.

Source: Antoniou et al. 2019, arXiv:1810.09502, section 4, "Multi-Step Loss Optimization".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf


def over_steps(
    earlier: Sequence[tf.Tensor],
    last: tf.Tensor,
    inner_steps: int,
    until: int | None,
    outer_step: Any,
) -> tf.Tensor:
    """Compute the weighted mean of a value over inner steps.

    Args:
      earlier: values after each inner step but the last, or sums of them.
      last: the value after the last inner step.
      inner_steps: >= 1.
      until: outer step from which on the last value alone counts; None: all count alike.
      outer_step: outer steps done; below `until`.
    """
    import tensorflow as tf

    if until is None:
        return tf.add_n([*earlier, last]) / inner_steps
    if not earlier:
        return last
    share = share_of_earlier(inner_steps, until, tf.cast(outer_step, last.dtype))
    return share * tf.add_n(list(earlier)) + (1 - (inner_steps - 1) * share) * last


def share_of_earlier(inner_steps: int, until: int, outer_step: Any) -> Any:
    """Compute the weight of the loss after each inner step but the last; the weights add up to 1.

    It falls linearly from 1 / inner_steps at outer step 0 to 0 at `until`. The authors' code lets
    it fall from epoch to epoch, and not below 3 % of the beginning before the end; here it falls
    from outer step to outer step, to 0.

    Source: `get_per_step_loss_importance_vector` of
    github.com/AntreasAntoniou/HowToTrainYourMAMLPytorch.
    """
    return (1 - outer_step / until) / inner_steps
