"""Dots: the truth, and predictions before and after adaptation."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Array, Episode


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText] = (),
) -> Figure:
    """One panel with the queries of all tasks."""
    figure = Figure()
    axes = figure.subplots()
    x = episodes.query_inputs.ravel()
    axes.plot(x, episodes.query_targets.ravel(), "o", label="truth")
    for step in (0, inner_steps[-1]):
        axes.plot(x, outputs[:, step].ravel(), ".", label=f"step {step}")
    axes.set_title(title)
    return figure
