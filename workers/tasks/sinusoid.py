"""Sinusoid regression (Finn et al. 2017, arXiv:1703.03400, section 5.1)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.losses.choice import choose_loss
from workers.settings.section import Size
from workers.settings.sinusoid_task import SinusoidTask
from workers.tasks.display_text import DisplayText
from workers.tasks.sizes import draw_sizes, most
from workers.wire.protocol import Draw, Episode, Specs, Split


class SinusoidFamily:
    """y = amplitude * sin(x - phase), amplitude, phase and x uniform."""

    picture = "curves"
    digest = ""
    input_shape: tuple[int, ...] = (1,)
    num_train_classes: int | None = None
    num_tokens: int | None = None

    def __init__(self, settings: SinusoidTask):
        self._settings = settings
        self.loss, self.loss_settings, self.num_outputs = choose_loss(settings, "numbers", 1)
        self.preparation: dict[str, Any] = {}

    def sample(self, draw: Draw, lo: int, hi: int, shots: Size, queries: Size) -> Specs:
        """Draw amplitude, phase and inputs of each task.

        Task i uses row i of the uniform numbers, whatever lo and hi are.
        """
        rows = draw.generator().random((hi, 2 + most(shots) + most(queries)))[lo:]
        inputs = _scale(rows[:, 2:], self._settings.inputs)
        support, query = inputs[:, : most(shots)], inputs[:, most(shots) :]
        if isinstance(shots, tuple) or isinstance(queries, tuple):
            rng = draw.generator(stream="sizes")
            sizes = [draw_sizes(rng, shots, queries, lambda *_: True) for _ in range(hi)]
            numbers = np.array(sizes)[lo:].T
            support, query = _cut(support, numbers[0]), _cut(query, numbers[1])
        return {
            "amplitude": _scale(rows[:, 0], self._settings.amplitude),
            "phase": _scale(rows[:, 1], self._settings.phase),
            "support_x": support,
            "query_x": query,
        }

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Make inputs and targets, float32 [tasks, examples, 1]."""
        amplitude, phase = specs["amplitude"][:, None], specs["phase"][:, None]

        def points(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            y = amplitude * np.sin(x - phase)
            x = np.where(np.isnan(x), x[:, :1], x)
            return x[..., None].astype(np.float32), y[..., None].astype(np.float32)

        support_x, support_y = points(np.asarray(specs["support_x"]))
        query_x, query_y = points(np.asarray(specs["query_x"]))
        return Episode(support_x, support_y, query_x, query_y)

    def showcase(self, specs: Specs) -> Specs:
        """Put the queries on an even grid over the range of the inputs."""
        grid = np.linspace(*self._settings.inputs, 200)
        return {**specs, "query_x": np.tile(grid, (len(specs["phase"]), 1))}

    def describe(self) -> dict[str, Any]:
        """Describe the generator; there are no data."""
        return {"source": "generated: amplitude * sin(x - phase)", **self.protocol("train")}

    def names(self, specs: Specs) -> list[str]:
        """Name tasks by amplitude and phase."""
        return [
            f"amplitude {amplitude:.3g}, phase {phase:.3g}"
            for amplitude, phase in zip(specs["amplitude"], specs["phase"], strict=True)
        ]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Return (): the tasks have no text."""
        return ()

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return the ranges; generated tasks have no split."""
        settings = self._settings
        return {
            "tasks_from": "sinusoids",
            "amplitude": list(settings.amplitude),
            "phase": list(settings.phase),
            "inputs": list(settings.inputs),
        }


def _scale(unit: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return bounds[0] + unit * (bounds[1] - bounds[0])


def _cut(x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Put NaN in place of those of x [tasks, examples] that are more than the task has."""
    return np.where(np.arange(x.shape[1]) < numbers[:, None], x, np.nan)
