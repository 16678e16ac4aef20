"""The model of a service: converts examples, adapts, predicts. One thread at a time computes."""

import hashlib
import pickle
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.adaptation.predictions import Predictions
from orchestrator.adaptation.predictor import Predictor
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.learner import Learner
from orchestrator.serve.example_types import check_inputs, check_targets
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

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The inputs, targets, and labels if there are any."""
        labels = () if self.labels is None else (self.labels,)
        return (self.task.support_inputs, self.task.support_targets, *labels)

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
        support = self._inputs(examples.support, _SUPPORT)
        check_targets(examples.targets)
        queries = self._inputs(examples.queries, _QUERY)
        return self._learner.task_of(support, examples.targets, queries)[0]

    def support_set(self, examples: Examples) -> SupportSet:
        """Convert a support set. Raises as `task` does."""
        support = self._inputs(examples.support, _SUPPORT)
        check_targets(examples.targets)
        return SupportSet(*self._learner.task_of(support, examples.targets))

    def queries(self, examples: Examples) -> Array:
        """Convert queries. Raises as `task` does."""
        return self._learner.read_inputs(self._inputs(examples.queries, _QUERY))

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

    def ask(self, support: SupportSet, adapted: Adapted, queries: Array) -> Predictions:
        """Predict `queries` with weights that are adapted already.

        Raises:
          NonFiniteError: predictions are not finite.
        """
        learner = self._learner
        predictor = Predictor(learner, support.task, self.recipe, support.labels, adapted)
        predictions = predictor.predictions_of(queries)
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

    def _inputs(self, inputs: Any, part: str) -> Any:
        if inputs is None:
            raise RequestError(422, f"there is no {part} set; give {part} with inputs")
        reader = self._learner.reader
        check_inputs(inputs, part, self._limits.examples, reader.takes_paths)
        if isinstance(inputs, EncodedFiles):
            return reader.files(inputs.names, inputs.contents)
        return inputs


def batch_key(task: UserTask) -> Hashable:
    """Return what tasks must have in common to be one block."""
    arrays = (task.support_inputs, task.support_targets, task.query_inputs)
    shapes = tuple((array.shape, str(array.dtype)) for array in arrays)
    return (*shapes, len(task.classes or ()))
