"""Names of losses and of their metrics; `inner/losses.py` computes them."""

from typing import Literal

LossName = Literal[
    "mse", "cross_entropy", "ranking", "next_token", "gaussian_policy", "categorical_policy"
]

#: The metrics of a loss; the first decides between checkpoints and recipes.
METRICS: dict[LossName, tuple[str, ...]] = {
    "mse": ("loss",),
    "cross_entropy": ("accuracy", "loss"),
    "ranking": ("accuracy", "mrr", "loss"),
    "next_token": ("bits_per_character", "loss"),
    "gaussian_policy": ("return",),
    "categorical_policy": ("return",),
}

#: Names of losses for people; the loss of policies is no score.
LOSS_TITLES: dict[LossName, str] = {
    "mse": "mean squared error",
    "cross_entropy": "cross-entropy in nats",
    "ranking": "cross-entropy in nats",
    "next_token": "cross-entropy in nats per token",
}

#: All metrics that are not losses.
NON_LOSS_METRICS: tuple[str, ...] = tuple(
    dict.fromkeys(m for ms in METRICS.values() for m in ms if m != "loss")
)

#: Losses whose outputs are the logits of a few classes, exactly one of which is right.
CLASSIFYING: tuple[LossName, ...] = ("cross_entropy", "ranking")

#: Losses of policies, whose outputs are a distribution over actions.
ACTING: tuple[LossName, ...] = ("gaussian_policy", "categorical_policy")

_LONG_NAMES = {"mrr": "mean reciprocal rank"}
_MORE_IS_BETTER = ("accuracy", "mrr", "return")


def sign_of(metric: str) -> Literal[1, -1]:
    """Return 1 if more of the metric is better, else -1."""
    return 1 if metric in _MORE_IS_BETTER else -1


def is_share(metric: str) -> bool:
    """Tell whether the metric is a share of all queries, to be shown in percent."""
    return metric == "accuracy"


def called(metric: str) -> str:
    """Return the name of a metric for people."""
    return _LONG_NAMES.get(metric, metric.replace("_", " "))
