"""Adaptation and prediction as two functions of arrays, which other programs can run.

    adapt(support_inputs, support_targets) -> state
    predict(state, query_inputs) -> outputs

A LiteRT file also has what `metatrain adapt` shows beside the predictions:

    adapt_by_step(support_inputs, support_targets) -> states, before and after each inner step
    score(outputs, targets) -> scores, by the run's loss and metrics

The inner loop is inside `adapt`. The state is one vector: the adapted weights, what else the layers
keep, and the support set where queries are normalized with it.
"""

import contextlib
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from workers.execution import runtime
from workers.execution.portable_operations import portable_operations
from workers.export.signatures import ADAPT, ADAPT_BY_STEP, PREDICT, SCORE
from workers.held_out import HeldOutTasks
from workers.losses.scoring import Scorer
from workers.wire.protocol import Array, Recipe, Task, Weights


@dataclass(frozen=True, slots=True)
class SupportShape:
    """The shape of the support sets that `adapt` takes.

    number: of examples. inputs: shape of one. targets: shape of a target; () for a class.
    """

    number: int
    inputs: tuple[int, ...]
    targets: tuple[int, ...]

    @property
    def classifies(self) -> bool:
        """Whether targets are classes, int32, and not numbers."""
        return self.targets == ()


class AdaptationFunctions:
    """The functions as graphs without XLA, of LiteRT's operations if asked.

    predicts_one_by_one: whether `predict` takes one query.
    further: what a LiteRT file has beside `adapt` and `predict`.
    """

    def __init__(
        self,
        held_out: HeldOutTasks,
        weights: Weights,
        recipe: Recipe,
        shape: SupportShape,
        batches: Array,
        portable: bool,
        scorer: Scorer,
    ):
        """Trace them.

        Args:
          weights: theta and the carry, which are constants of `adapt`.
          batches: int32 [batches, examples], which examples each inner step sees; [0, 0]: all.
          portable: compute with `portable_operations`.
          scorer: of the run's loss.
        Raises:
          NotImplementedError: the model has an operation that LiteRT lacks.
        """
        self._held_out, self._weights, self._recipe = held_out, weights, recipe
        self._shape, self._batches, self._scorer = shape, batches, scorer
        inputs = tf.TensorSpec([shape.number, *shape.inputs], tf.float32, "support_inputs")
        kind = tf.int32 if shape.classifies else tf.float32
        targets = tf.TensorSpec([shape.number, *shape.targets], kind, "support_targets")
        with _operations(portable):
            self.adapt = _traced(self._adapt, inputs, targets)
            (size,) = self.adapt.structured_outputs["state"].shape
            state = tf.TensorSpec([size], tf.float32, "state")
            self.predicts_one_by_one = portable and self._needs_support  # else a loop of any length
            count = 1 if self.predicts_one_by_one else None
            queries = tf.TensorSpec([count, *shape.inputs], tf.float32, "query_inputs")
            self.predict = _traced(self._predict, state, queries)
            self.further = self._further(inputs, targets) if portable else {}

    def _further(self, *support: tf.TensorSpec) -> dict[str, Any]:
        """Trace what only `metatrain adapt` needs."""
        scorer, (_, of_support) = self._scorer, support
        # A task may have fewer classes; functions of the user's own get all outputs.
        any_width = scorer.loss.classifies and not scorer.has_users
        width = None if any_width else self.predict.structured_outputs["outputs"].shape[-1]
        outputs = tf.TensorSpec([None, width], tf.float32, "outputs")
        targets = tf.TensorSpec([None, *of_support.shape[1:]], of_support.dtype, "targets")
        adapt_by_step = _traced(self._adapt_by_step, *support)
        return {ADAPT_BY_STEP: adapt_by_step, **_scoring(scorer, outputs, targets)}

    def _adapt(self, support_inputs: tf.Tensor, support_targets: tf.Tensor) -> dict[str, Any]:
        adapted = self._adapted(self._held_out.adapt_in_graph, support_inputs, support_targets)
        theta, statistics = adapted["theta"][0], adapted["statistics"][0]
        self._sizes = int(theta.shape[0]), int(statistics.shape[0])
        parts = [theta, statistics, *self._kept(support_inputs, support_targets)]
        return {"state": tf.concat([part for part in parts if part.shape[0]], 0)}

    def _adapt_by_step(
        self, support_inputs: tf.Tensor, support_targets: tf.Tensor
    ) -> dict[str, Any]:
        function = self._held_out.adapt_by_step_in_graph
        adapted = self._adapted(function, support_inputs, support_targets)
        theta, statistics = adapted["theta"][0], adapted["statistics"][0]
        kept = self._kept(support_inputs, support_targets)
        parts = [theta, statistics, *(tf.tile(part[None], [theta.shape[0], 1]) for part in kept)]
        return {"states": tf.concat([part for part in parts if part.shape[1]], 1)}

    def _kept(self, inputs: tf.Tensor, targets: tf.Tensor) -> list[tf.Tensor]:
        """Return the support set as vectors, if queries are normalized with it."""
        if not self._needs_support:
            return []
        return [tf.reshape(inputs, [-1]), tf.reshape(tf.cast(targets, tf.float32), [-1])]

    def _adapted(
        self, adapt: Any, support_inputs: tf.Tensor, support_targets: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        recipe, weights = self._recipe, self._weights
        # No optimizer knows that this is 0: it would keep theta in parts, and again for each step.
        nothing = tf.minimum(tf.abs(tf.reshape(support_inputs, [-1])[0]), 0.0)
        theta = tf.constant(weights.theta) + nothing
        task = self._task(support_inputs, support_targets, support_inputs[:1])
        tasks = Task(*(array[None] for array in task))
        adapted: dict[str, tf.Tensor] = adapt(
            recipe,
            (theta, tf.constant(weights.carry), tf.constant(weights.step)),
            tasks,
            tf.constant(recipe.inner_lr, tf.float32),
        )
        return adapted

    def _predict(self, state: tf.Tensor, query_inputs: tf.Tensor) -> dict[str, Any]:
        theta, statistics = self._sizes
        shape, vector, rest = self._shape, state[:theta], state[theta : theta + statistics]
        inputs = tf.zeros([shape.number, *shape.inputs])
        targets = tf.zeros([shape.number, *shape.targets])
        if self._needs_support:
            kept, count = state[theta + statistics :], int(np.prod(inputs.shape))
            inputs = tf.reshape(kept[:count], inputs.shape)
            targets = tf.reshape(kept[count:], targets.shape)
        targets = tf.cast(targets, tf.int32 if shape.classifies else tf.float32)
        task = self._task(inputs, targets, query_inputs)
        return {"outputs": self._held_out.answer_in_graph(vector, rest, task)}

    @property
    def _needs_support(self) -> bool:
        return self._held_out.answers_see_support

    def _task(self, inputs: tf.Tensor, targets: tf.Tensor, queries: tf.Tensor) -> Task:
        number = tf.shape(queries)[:1]
        unknown = tf.zeros(tf.concat([number, tf.shape(targets)[1:]], 0), targets.dtype)
        seed = tf.zeros([2], tf.int32)
        return Task(inputs, targets, queries, unknown, tf.constant(self._batches), seed)

    def outputs(self, support_inputs: Array, support_targets: Array, query_inputs: Array) -> Array:
        """Adapt and predict here: the outputs of queries, [queries, outputs]."""
        shown = tf.constant(support_inputs), tf.constant(support_targets)
        state = self.adapt(*shown)["state"]
        outputs: Array = self.predict(state, tf.constant(query_inputs))["outputs"].numpy()
        return outputs

    def as_saved_model(self, folder: Path, *further: str) -> None:
        """Write both, and the further ones that are named, as signatures of a SavedModel."""
        module = tf.Module()
        module.adapt, module.predict = self.adapt, self.predict
        signatures = {ADAPT: self.adapt, PREDICT: self.predict}
        for name in further:
            setattr(module, name, self.further[name])
            signatures[name] = self.further[name]
        tf.saved_model.save(module, str(folder), signatures=signatures)

    def as_litert(self) -> tuple[bytes, list[str]]:
        """Convert them to signatures of a LiteRT file with its own operations alone.

        Returns:
          the file, and the scores that it gives: none if they cannot be traced, or LiteRT lacks an
            operation of theirs.
        Raises:
          NotImplementedError: the model has an operation that LiteRT lacks; names it.
        """
        if SCORE in self.further:
            with contextlib.suppress(NotImplementedError):
                scores = [metric.name for metric in self._scorer.loss.metrics]
                return self._converted(ADAPT_BY_STEP, SCORE), scores
        return self._converted(ADAPT_BY_STEP), []

    def _converted(self, *further: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            self.as_saved_model(Path(folder), *further)
            converter = tf.lite.TFLiteConverter.from_saved_model(
                folder, signature_keys=[ADAPT, PREDICT, *further]
            )
            try:
                with runtime.silent():
                    content: bytes = converter.convert()
            except Exception as error:  # of several kinds, one of them the converter's own
                lacking = sorted(set(_operations_in(str(error))))
                if not lacking:
                    raise
                raise NotImplementedError(", ".join(lacking)) from error
        return content


def _operations(portable: bool) -> contextlib.AbstractContextManager[None]:
    return portable_operations() if portable else contextlib.nullcontext()


def _scoring(scorer: Scorer, *shapes: tf.TensorSpec) -> dict[str, Any]:
    """Trace `score` for any number of queries; nothing if a user's function cannot be traced so.

    Such a function may compute with the number, which is known when metatrain scores by itself.
    """
    score = scorer.function(None)
    try:
        traced = _traced(lambda outputs, targets: {"scores": score(outputs, targets)}, *shapes)
    except Exception:  # whatever a user's function raises
        if not scorer.has_users:
            raise
        return {}
    return {SCORE: traced}


def _traced(function: Any, *shapes: tf.TensorSpec) -> Any:
    return tf.function(function, autograph=False).get_concrete_function(*shapes)


def _operations_in(message: str) -> Sequence[str]:
    """Find TensorFlow's operations that the converter could not translate."""
    return re.findall(r"'tf\.(\w+)' op is neither", message)
