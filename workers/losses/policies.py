"""The losses of policies, which `workers/policies` computes; they are scored by returns."""

from workers.losses.loss import Loss


class GaussianPolicy(Loss):
    """The loss of a policy whose actions are normal."""

    name = "gaussian_policy"
    title = ""
    targets = "actions"
    scored_by = ("return",)
    outputs_are = "means of actions, then logarithms of their standard deviations,"
    distribution = "workers.policies.distributions:Gaussian"


class CategoricalPolicy(Loss):
    """The loss of a policy whose actions are one of a few."""

    name = "categorical_policy"
    title = ""
    targets = "actions"
    scored_by = ("return",)
    outputs_are = "logits"
    refuses = "softmax"
    discrete = True
    distribution = "workers.policies.distributions:Categorical"
