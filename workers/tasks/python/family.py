"""Tasks that a function or a class of the user's own draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.losses.choice import choose_loss
from workers.settings.python_task import PythonTask
from workers.tasks.display_text import DisplayText
from workers.tasks.python.check import draw_sized, look
from workers.tasks.python.digest import digest
from workers.tasks.python.draws import Draws
from workers.tasks.python.examples import make_episode
from workers.tasks.python.labels import BadTaskError
from workers.tasks.python.sizes import SetSize, Sizes
from workers.tasks.python.source import open_source
from workers.tasks.splits import SPLITS
from workers.user_code.blame import CallError
from workers.wire.errors import TaskError
from workers.wire.packed_inputs import PARTS, parts_as_dict
from workers.wire.protocol import Draw, Episode, Specs, Split

# Queries that a curve is drawn through, where the function gives so many.
_CURVE = 100


class PythonFamily:
    """Specs say which numbers a task has; the user's function makes it of them, on the actor."""

    num_tokens: int | None = None
    num_train_classes: int | None = None

    def __init__(self, settings: PythonTask):
        """Import the function, and look at what it draws.

        Raises:
          ValueError: it cannot be had, or its tasks are not as they must be.
        """
        self._settings = settings
        self._drawer = open_source(settings)
        self._draws = Draws(self._drawer, settings.draw_together)
        self._looked = look(self._drawer, self._draws, settings)
        self._layout = self._looked.layout
        chosen = choose_loss(settings, self._layout.targets, self._layout.outputs)
        self.loss, self.loss_settings, self.num_outputs = chosen
        self.input_shape: tuple[int, ...] = self._layout.input_shape
        self.picture = self._picture()
        parts = self._draws.packing.parts
        self.preparation: dict[str, Any] = {} if parts is None else {PARTS: parts_as_dict(parts)}
        self.digest = digest(self._drawer.modules, settings.folder, self._looked.tasks)
        self._sizes = Sizes(self._draw_sized, self._layout)
        self._sizes.learn(settings.shots, settings.queries, self._looked.tasks[0])
        # Of tasks that were built, maybe in another thread, where nothing else is to be drawn.
        self._numbers: dict[tuple[int, int], tuple[int, int]] = {}

    def _picture(self) -> str:
        if self._layout.classifies:
            return "confusion"
        return "curves" if (self.input_shape, self._layout.outputs) == ((1,), 1) else "predicted"

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """Say which tasks, and of how many examples.

        Returns:
          draw: int64 [tasks, 3], seed, split and step; task: int64 [tasks], its index; examples:
          int32 [tasks, 2], shots and queries.
        """
        number = hi - lo
        of = np.empty((number, 3), np.int64)
        of[:] = draw.seed, SPLITS.index(draw.split), draw.step
        examples = np.empty((number, 2), np.int32)
        examples[:] = shots, queries
        return {"draw": of, "task": np.arange(lo, hi, dtype=np.int64), "examples": examples}

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Build inputs [tasks, examples, ...], float32 or int32; targets int32 or float32 [.., d].

        Raises:
          TaskError: a task is not as the first ones were, or the function raises.
        """
        assert not global_labels, "classes are numbered within a task"
        draw, tasks, shots, queries = _drawn_by(specs)
        try:
            parts = self._draws.parts(draw, tasks, shots, queries)
            episode = make_episode(parts, tasks, self._layout)
            self._check_sizes(episode, tasks[0], shots, queries)
        except BadTaskError as error:
            raise self._failed(draw, f"task {error.task}", error.what) from None
        except CallError as error:
            told = f"{error.told(self._settings.folder)}\n{error.trace()}"
            raise self._failed(draw, error.which, told) from None
        return _by_input(episode) if "sorted" in specs else episode

    def _failed(self, draw: Draw, which: str, what: str) -> TaskError:
        where = f"step {draw.step}, split {draw.split!r}, seed {draw.seed}"
        return TaskError(f"{self._drawer.said}: {which} ({where}) {what}")

    def sizes(self, shots: int, queries: int) -> tuple[SetSize, SetSize]:
        """Return the sizes of support and query sets for these shots and queries.

        Raises:
          ValueError: the function draws no such tasks.
        """
        return self._sizes.of(shots, queries)

    def _draw_sized(self, shots: int, queries: int) -> Episode:
        drawn = self._drawer, self._draws, self._settings, self._layout
        return draw_sized(*drawn, (shots, queries))

    def _check_sizes(self, episode: Episode, task: int, shots: int, queries: int) -> None:
        """All blocks of a run have the same shapes: a graph is compiled for each."""
        numbers = episode.support_inputs.shape[1], episode.query_inputs.shape[1]
        known = self._numbers.setdefault((shots, queries), numbers)
        if numbers != known:
            raise BadTaskError(
                task,
                f"has {numbers[0]} support and {numbers[1]} query examples, others had {known[0]} "
                f"and {known[1]}; all tasks need as many",
            )

    @property
    def _example(self) -> Any:
        """The shape of an example, or those of its inputs."""
        parts = self._draws.packing.parts
        if parts is None:
            return list(self.input_shape)
        return ", ".join(f"{name} {list(part.shape)}" for name, part in parts.items())

    def showcase(self, specs: Specs) -> Specs:
        """Give curves their queries in order, and more of them where the support set stays."""
        if self.picture != "curves" or not len(specs["task"]):
            return specs
        shown = {**specs, "sorted": np.ones(len(specs["task"]), np.int8)}
        examples = np.array(specs["examples"])
        examples[:, 1] = np.maximum(examples[:, 1], _CURVE)
        more = {**shown, "examples": examples}
        try:
            same = np.array_equal(self.build(more)[0], self.build(shown)[0])
        except Exception:  # a function may have no more than it was asked for
            same = False
        return more if same else shown

    def names(self, specs: Specs) -> list[str]:
        """By the index in the draw."""
        return [f"task {index}" for index in specs["task"]]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Numbers say it all."""
        return ()

    def describe(self) -> dict[str, Any]:
        """Describe the tasks of the function."""
        support, query = self.sizes(self._settings.shots, self._settings.queries)
        return {
            "source": f"{self._settings.source} in {self._settings.folder}",
            "drawn": f"{self._settings.draw_together} tasks at once"
            if self._drawer.together
            else "one by one",
            "support_examples": support.number,
            "query_examples": query.number,
            **self.protocol("train"),
        }

    def notes(self) -> list[str]:
        """Return the notes from the check of the first tasks."""
        return self._looked.notes

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return the function, its arguments, and the form of a task."""
        table: dict[str, Any] = {
            "tasks_from": self._settings.source,
            "example": self._example,
            "splits": self._looked.splits,
            "data_digest": self.digest,
        }
        if self._settings.arguments:
            table["arguments"] = dict(self._settings.arguments)
        if self._layout.classifies:
            table["classes"] = self._layout.outputs
        if self._layout.targets == "labels":
            table["labels"] = self._layout.outputs
        return table


def _drawn_by(specs: Specs) -> tuple[Draw, list[int], int, int]:
    """Return the draw of the specs, the indices of their tasks, shots and queries."""
    seed, split, step = specs["draw"][0].tolist()
    shots, queries = specs["examples"][0].tolist()
    tasks: list[int] = specs["task"].tolist()
    return Draw(seed, SPLITS[split], step), tasks, shots, queries


def _by_input(episode: Episode) -> Episode:
    """Sort the queries by their single input."""
    order = np.argsort(episode.query_inputs[..., 0], axis=1, kind="stable")
    x, y = (
        np.take_along_axis(array, order[..., None], axis=1)
        for array in (episode.query_inputs, episode.query_targets)
    )
    return episode._replace(query_inputs=x, query_targets=y)
