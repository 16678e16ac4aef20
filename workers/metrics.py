"""Metrics by name: which way is better, and how they are called."""

from typing import Literal, NamedTuple

#: The name of a loss: that of a record of `workers/losses`, or "module:function".
LossName = str


class Metric(NamedTuple):
    """A number by which held-out tasks are scored.

    name: its name in logs and files.
    sign: 1 if more of it is better, -1 if less is, 0 if nobody has said.
    share: whether it is a share of all queries, to be shown in percent.
    title: its name for people; "" if the name will do.
    """

    name: str
    sign: Literal[1, -1, 0]
    share: bool = False
    title: str = ""


#: The metrics of named losses.
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("loss", -1),
        Metric("accuracy", 1, share=True),
        Metric("exact", 1, share=True, title="share of examples with all labels right"),
        Metric("mrr", 1, title="mean reciprocal rank"),
        Metric("bits_per_character", -1),
        Metric("mse", -1, title="mean squared error"),
        Metric("return", 1),
        Metric("success", 1, share=True, title="success rate"),
    )
}


def is_share(metric: str) -> bool:
    """Tell whether the metric is a share of all queries, to be shown in percent."""
    return metric in METRICS and METRICS[metric].share


def called(metric: str) -> str:
    """Return the name of a metric for people."""
    title = METRICS[metric].title if metric in METRICS else ""
    return title or metric.replace("_", " ")
