"""Image classification: the support set, the queries, and what they are taken for."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from workers.protocol import Array, Episode

_MAX_QUERIES = 10


def draw(episodes: Episode, outputs: Array, inner_steps: Sequence[int], title: str) -> Figure:
    """The first task: one support image per class above, queries with predictions below.

    Args:
      outputs: logits [tasks, inner_steps + 1, queries, ways].
      inner_steps: the last of them counts as "after".
    """
    support, labels = episodes.support_inputs[0], episodes.support_targets[0]
    ways = int(labels.max()) + 1
    num_queries = len(episodes.query_targets[0])
    shown = np.linspace(0, num_queries - 1, min(num_queries, _MAX_QUERIES)).astype(int)
    columns = max(ways, len(shown))
    figure = Figure(figsize=(1.3 * columns, 4.2), layout="constrained")
    grid = figure.subplots(2, columns, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for way in range(ways):
        _show(grid[0, way], support[np.argmax(labels == way)], f"class {way}", "black")
    before = outputs[0, 0].argmax(-1)
    after = outputs[0, inner_steps[-1]].argmax(-1)
    for column, query in enumerate(shown):
        truth = int(episodes.query_targets[0][query])
        caption = f"is {truth}\nbefore: {before[query]}\nafter: {after[query]}"
        right = after[query] == truth
        _show(grid[1, column], episodes.query_inputs[0][query], caption, "C2" if right else "C3")
    accuracy = np.mean(after == episodes.query_targets[0])
    figure.suptitle(f"{title}: support above, queries below ({accuracy:.0%} right after)")
    return figure


def _show(axes: object, image: Array, caption: str, color: str) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    axes.imshow(image.squeeze(-1) if image.shape[-1] == 1 else image, cmap="gray_r")
    axes.set_title(caption, fontsize=9, color=color)
