"""The model of a service: converts examples, adapts, predicts. One thread at a time computes."""

import hashlib
import pickle
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.adaptation.predictions import Predictions
from orchestrator.adaptation.predictor import Predictor
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.learner import Learner
from orchestrator.serve.examples import EncodedFiles, Examples
from orchestrator.serve.limits import Limits
from orchestrator.serve.request_error import RequestError
from workers.wire.protocol import Adapted, Array, Recipe

#: Examples by the name of their part in messages.
_SUPPORT, _QUERY = "support", "query"


@dataclass(frozen=True, slots=True)
class SupportSet:
    """A support set, as the model takes it.

    task: with one query that means nothing. labels: its classes as they were written.
    """

    task: UserTask
    labels: Array | None

    def as_bytes(self) -> bytes:
        """Pickle it, for a store of this service; see `from_bytes`."""
        return pickle.dumps(self)

    @staticmethod
    def from_bytes(content: bytes) -> "SupportSet":
        """Invert `as_bytes`. The content must be from this service."""
        support: SupportSet = pickle.loads(content)
        return support


class ServedModel:
    """A learner that is built anew when it has many graphs, see `Limits.graphs`.

    recipe: how it adapts.
    """

    def __init__(self, load: Callable[[], Learner], recipe: Recipe, limits: Limits):
        """Load the learner. `load` returns a new one, with no graph yet."""
        self._load, self._limits = load, limits
        self._learner, self.recipe = load(), recipe

    @property
    def learner(self) -> Learner:
        """The learner with the graphs so far."""
        return self._learner

    def task(self, examples: Examples) -> UserTask:
        """Convert a support set and queries. Any thread may call it.

        Raises:
          RequestError, ValueError: they do not fit the model, or are too many.
        """
        support, queries = self._inputs(examples.support, _SUPPORT), self.queries(examples)
        return self._learner.task_of(support, self._targets(examples), queries)[0]

    def support_set(self, examples: Examples) -> SupportSet:
        """Convert a support set. Raises as `task` does."""
        support = self._inputs(examples.support, _SUPPORT)
        return SupportSet(*self._learner.task_of(support, self._targets(examples)))

    def queries(self, examples: Examples) -> Any:
        """Check queries, which `Learner` converts. Raises as `task` does."""
        return self._inputs(examples.queries, _QUERY)

    def predict(self, tasks: Sequence[UserTask]) -> list[Predictions | None]:
        """Adapt to tasks of one `batch_key` and predict; None for one that diverged."""
        predictions = self._learner.predict_tasks(tasks, self.recipe)
        self._drop_graphs()
        return predictions

    def adapt(self, support: SupportSet) -> Adapted:
        """Adapt to a support set.

        Raises:
          NonFiniteError: the inner loop diverged.
        """
        adapted = Predictor(self._learner, support.task, self.recipe, support.labels).adapted
        self._drop_graphs()
        return adapted

    def ask(self, support: SupportSet, adapted: Adapted, queries: Any) -> Predictions:
        """Predict with weights that are adapted already.

        Raises:
          ValueError: the queries do not fit the model. NonFiniteError: predictions are not finite.
        """
        learner = self._learner
        predictor = Predictor(learner, support.task, self.recipe, support.labels, adapted)
        predictions = predictor.predictions(queries)
        self._drop_graphs()
        return predictions

    def support_id(self, support: SupportSet) -> str:
        """Return the id of a support set; equal ones have equal ids."""
        task, digest = support.task, hashlib.sha256()
        for array in (task.support_inputs, task.support_targets):
            digest.update(f"{array.dtype} {array.shape} ".encode())
            digest.update(
                pickle.dumps(array.tolist()) if array.dtype == object else array.tobytes()
            )
        labels = None if support.labels is None else support.labels.tolist()
        digest.update(repr((task.classes, labels, self.recipe)).encode())
        return digest.hexdigest()[:32]

    def _drop_graphs(self) -> None:
        if self._learner.num_graphs > self._limits.graphs:
            self._learner = self._load()

    def _targets(self, examples: Examples) -> Any:
        if examples.targets is None:
            raise RequestError(422, "the support set has no targets; give one for each input")
        if isinstance(examples.targets, str | int | float | bool | dict):
            raise RequestError(422, "the targets are no array; give one for each input")
        return examples.targets

    def _inputs(self, inputs: Any, part: str) -> Any:
        if inputs is None:
            raise RequestError(422, f"there is no {part} set; give {part} with inputs")
        number = _count(inputs)
        if number > self._limits.examples:
            raise RequestError(
                422,
                f"the {part} set has {number} examples; at most {self._limits.examples} are "
                "allowed, send fewer",
            )
        reader = self._learner.reader
        if isinstance(inputs, EncodedFiles):
            return reader.files(inputs.names, inputs.contents)
        if reader.takes_paths and _holds_text(inputs):
            raise RequestError(
                422,
                f"the inputs of the {part} set hold text; give arrays of numbers in [0, 1], or "
                "send images as files (multipart/form-data)",
            )
        return inputs


def batch_key(task: UserTask) -> Hashable:
    """Return what tasks must have in common to be one block."""
    arrays = (task.support_inputs, task.support_targets, task.query_inputs)
    shapes = tuple((array.shape, str(array.dtype)) for array in arrays)
    return (*shapes, len(task.classes or ()))


def _count(inputs: Any) -> int:
    if isinstance(inputs, EncodedFiles):
        return len(inputs.contents)
    if isinstance(inputs, dict):
        return max((_count(column) for column in inputs.values()), default=0)
    return len(inputs) if isinstance(inputs, list | np.ndarray) else 0


def _holds_text(inputs: Any) -> bool:
    if isinstance(inputs, list):
        return any(_holds_text(item) for item in inputs)
    return isinstance(inputs, str)
