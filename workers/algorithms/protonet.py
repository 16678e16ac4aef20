"""Prototypical networks: a class is the mean of its examples' features (Snell et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from workers.algorithms.computed_head import ClosedForm

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.heads.linear_head import LinearHead
    from workers.heads.objective import HeadObjective
    from workers.inner.losses import Theta


class ProtoNetAlgorithm(ClosedForm):
    """Classify by the nearest mean of a class's features (Snell et al. 2017, arXiv:1703.05175)."""

    title = "ProtoNet"
    targets = frozenset({"classes"})
    statistics = "running", "support"
    kind: Literal["protonet"] = "protonet"

    def head(
        self, objective: HeadObjective, theta: Theta, features: tf.Tensor, targets: tf.Tensor
    ) -> LinearHead:
        """See `ComputedHead.head`: minus squared Euclidean distances as logits."""
        from workers.heads.prototypes import prototype_head

        return prototype_head(features, targets, objective.num_outputs)
