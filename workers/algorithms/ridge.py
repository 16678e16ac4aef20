"""Ridge regression as a head, in closed form (R2D2: Bertinetto et al. 2019)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from workers.algorithms.algorithm import Extra
from workers.algorithms.computed_head import ClosedForm
from workers.settings.section import setting

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.heads.linear_head import LinearHead
    from workers.heads.objective import HeadObjective
    from workers.inner.losses import Theta
    from workers.models.functional import FunctionalModel


class RidgeAlgorithm(ClosedForm):
    """Ridge regression on the features, in closed form (R2D2, arXiv:1805.08136)."""

    title = "ridge regression (R2D2)"
    targets = frozenset({"classes", "numbers"})
    statistics = "running", "support"
    kind: Literal["ridge"] = "ridge"
    penalty: float = setting(
        1.0, "penalty on the head's squared weights, or its initial value, > 0", gt=0
    )
    learn_penalty: bool = setting(True, "meta-learn the penalty", later=True)
    penalty_of: Literal["sum", "mean"] = setting(
        "sum",
        "what the penalty is added to: the sum of the squared errors of the support set, or their "
        "mean, so that more examples do not outweigh it",
        later=True,
    )
    scale: float = setting(
        10.0,
        "initial value of the learned factor of logits, > 0: one-hot classes are regressed as 0 "
        "and 1, too close for probabilities; that of numbers is 1",
        gt=0,
    )

    def head(
        self, objective: HeadObjective, theta: Theta, features: tf.Tensor, targets: tf.Tensor
    ) -> LinearHead:
        """Regress the targets, one-hot classes or numbers, then scale and shift the outputs.

        Scale, shift and the logarithm of the penalty are meta-learned.

        Source: Bertinetto et al. 2019, arXiv:1805.08136, section 3.2. There the penalty is added to
        the sum; the authors' code adds a fixed one to the mean.
        """
        import tensorflow as tf

        from workers.heads.ridge import ridge_classes, ridge_numbers
        from workers.losses.padding import is_real

        scale, shift, *learned = theta[-3 if self.learn_penalty else -2 :]
        penalty = tf.exp(learned[0]) if learned else tf.constant(self.penalty, features.dtype)
        if self.penalty_of == "mean":
            penalty *= tf.reduce_sum(tf.cast(is_real(targets), features.dtype))
        if targets.dtype.is_integer:
            head = ridge_classes(features, targets, objective.num_outputs, penalty)
            return head.scaled(self.scale * scale, shift)
        return ridge_numbers(features, targets, penalty).scaled(scale, shift)

    def extras(self, model: FunctionalModel) -> list[Extra]:
        """List scale, shift and log penalty, as meta-parameters beside the weights."""
        extras = [Extra("ridge/scale", (), 1.0), Extra("ridge/shift", (), 0.0)]
        if self.learn_penalty:
            extras.append(Extra("ridge/log_penalty", (), math.log(self.penalty)))
        return extras
