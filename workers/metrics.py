"""What tasks are scored by, by the name of their loss; `inner/losses.py` computes them."""

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

#: What the loss of tasks is, for people; that of policies is no score.
LOSSES_CALLED: dict[LossName, str] = {
    "mse": "mean squared error",
    "cross_entropy": "cross-entropy in nats",
    "ranking": "cross-entropy in nats",
    "next_token": "cross-entropy in nats per token",
}

#: Those that are not losses, of all.
OWN: tuple[str, ...] = tuple(dict.fromkeys(m for ms in METRICS.values() for m in ms if m != "loss"))

#: Losses whose outputs are logits of a few classes, one of which is right.
CLASSIFYING: tuple[LossName, ...] = ("cross_entropy", "ranking")

#: Losses of policies, whose outputs are a distribution over actions.
ACTING: tuple[LossName, ...] = ("gaussian_policy", "categorical_policy")

_LONGER = {"mrr": "mean reciprocal rank"}
_MORE_IS_BETTER = ("accuracy", "mrr", "return")


def sign_of(metric: str) -> Literal[1, -1]:
    """1 if more of it is better, else -1."""
    return 1 if metric in _MORE_IS_BETTER else -1


def is_share(metric: str) -> bool:
    """Whether it is a share of all queries, which people read in per cent."""
    return metric == "accuracy"


def called(metric: str) -> str:
    """Its name for people."""
    return _LONGER.get(metric, metric.replace("_", " "))
