"""A model adapted to the examples of one task."""

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.adaptation.answers import Answers
from orchestrator.adaptation.checks import diverged, open_model_file
from orchestrator.adaptation.predictions import Predictions
from orchestrator.adaptation.user_tasks import UserTask
from workers.wire.protocol import Adapted, Array, Recipe

if TYPE_CHECKING:
    from orchestrator.learner import Learner


class Predictor:
    """A model adapted to one task.

    classes: of the task, in the order of the outputs; None in regression.
    recipe: how it adapted.
    """

    def __init__(
        self,
        learner: "Learner",
        task: UserTask,
        recipe: Recipe,
        classes: Array | None,
        adapted: Adapted | None = None,
    ):
        """Adapt to the support set of `task`, unless the weights `adapted` are there already."""
        self._learner, self._task = learner, task
        self.recipe, self.classes = recipe, classes
        if adapted is None:
            weights = learner.run("adapt", learner._assemble(task), recipe)
            adapted = Adapted(weights["theta"], weights["statistics"])
        self._adapted = adapted

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the learner, plain values and arrays, but no class of this module."""
        state = {
            "task": {field.name: getattr(self._task, field.name) for field in fields(self._task)},
            "recipe": asdict(self.recipe),
            "classes": self.classes,
            "adapted": self._adapted._asdict(),
        }
        return self._learner._restored, (state,)

    @property
    def adapted(self) -> Adapted:
        """The adapted weights."""
        return self._adapted

    def predictions(self, inputs: Any) -> Predictions:
        """Predict, with one row of answers, those of the adapted weights.

        Raises:
          NonFiniteError: they are not finite.
        """
        task = self._with_queries(inputs)
        outputs = self._learner._answer(self._adapted, task)
        if not np.isfinite(outputs).all():
            raise diverged(self.recipe)
        return self._learner.predictions(task, outputs[None])

    def predict(self, inputs: Any) -> Array:
        """Return a class for each input, 0 or 1 for each label, or values [n, numbers]."""
        if self.classes is None:
            values = self._answers(inputs).values
            return np.greater(values, 0.5).astype(np.int32) if self._has_labels else values
        best: Array = self.classes[self.predict_proba(inputs).argmax(-1)]
        return best

    def predict_proba(self, inputs: Any) -> Array:
        """Compute the probabilities of the classes, or of the labels, float32 [n, classes].

        Raises:
          ValueError: the task has neither.
        """
        if self.classes is None and not self._has_labels:
            raise ValueError("values have no probabilities; use predict")
        return self._answers(inputs).values

    def predict_deviation(self, inputs: Any) -> Array:
        """Compute the standard deviation of each predicted value, float64 [n, numbers].

        Raises:
          ValueError: the run's loss predicts none.
        """
        deviations = self._answers(inputs).deviations
        if deviations is None:
            raise ValueError(
                f"{self._learner.loss.title} predicts no deviations; train with "
                "task.loss = 'gaussian_nll'"
            )
        return deviations

    def evaluate(self, inputs: Any, targets: Any) -> dict[str, float]:
        """Score predictions by the run's own loss and metrics, the one that decides first.

        Losses and metrics are of targets in units of the model, as in the run's evaluation. Where
        the loss measures a squared error, "mse" is that error in your units.

        Args:
          inputs: see `predict`.
          targets: the true answers, as `Learner.adapt` takes them.
        Raises:
          ValueError: the targets do not fit the inputs, or are of a class without an example; or a
            metric of your own raises.
        """
        task = self._task_of(inputs)
        given = self._learner.read_answers(task, task.query_inputs, targets)
        return self._scores(replace(task, query_targets=given))

    def by_inner_step(self, inputs: Any) -> Array:
        """Predict after 0, 1, ..., recipe.inner_steps inner steps: [steps + 1, n, ...].

        Predictions are probabilities of classes or labels, or values. If they still change much
        from one step to the next, the examples are too few to rely on them.
        """
        outputs = self._learner.run("predict", self._with_queries(inputs), self.recipe)["outputs"]
        return self._learner.answers(self._task, outputs).values

    def save(self, file: str | Path, inputs: Any = None) -> None:
        """Write a .keras file that plain Keras loads; its outputs are those that the loss takes.

        They are logits of classes or labels, or values; for gaussian_nll means, then logarithms of
        standard deviations.

        Args:
          inputs: those whose statistics a batch normalization keeps, if there is one; None: the
            support set.
        Raises:
          ValueError: `file` exists, or does not end in .keras. MetatrainError: it cannot be
            written.
        """
        with open_model_file(file) as new:
            support = self._task.support_inputs
            queries = support if inputs is None else self._learner.read_inputs(inputs)
            task = self._learner._assemble(replace(self._task, query_inputs=queries))
            new.write(self._learner.as_keras(self._task, self._adapted, task.query_inputs))

    @property
    def _has_labels(self) -> bool:
        return self._learner.loss.targets == "labels"

    def _answers(self, inputs: Any) -> Answers:
        return self._learner.answers(self._task, self._outputs(inputs))

    def _outputs(self, inputs: Any) -> Array:
        return self._learner._answer(self._adapted, self._with_queries(inputs))

    def _scores(self, task: UserTask) -> dict[str, float]:
        """Score the queries of a task, whose targets are known, with the adapted weights."""
        outputs = self._learner._answer(self._adapted, self._learner._assemble(task))
        scores = self._learner.scores(task, outputs[None])
        assert scores is not None
        return {name: float(values[0]) for name, values in scores.items()}

    def _with_queries(self, inputs: Any) -> UserTask:
        return self._learner._assemble(self._task_of(inputs))

    def _task_of(self, inputs: Any) -> UserTask:
        queries = self._learner.read_inputs(inputs)
        return replace(self._task, query_inputs=queries, rows=np.arange(len(queries)))
