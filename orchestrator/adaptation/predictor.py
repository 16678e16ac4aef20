"""A model adapted to the examples of one task."""

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.adaptation.answers import Answers
from orchestrator.adaptation.checks import MODEL_FILES, open_model_file
from orchestrator.adaptation.predictions import Predictions
from orchestrator.adaptation.recipe_words import diverged
from orchestrator.adaptation.sureness import (
    Sureness,
    calibration_for,
    likeness_of,
    shares_of,
    sureness_of,
)
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
            weights = learner.run("adapt", learner.reader.assemble(task), recipe)
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
        return self.predictions_of(self._learner.read_inputs(inputs))

    def predictions_of(self, queries: Array) -> Predictions:
        """Predict as `predictions` does, what `Learner.read_inputs` converted: [n, ...]."""
        task = self._learner.reader.assemble(self._asking(queries))
        outputs = self._learner._answer(self._adapted, task)
        if not np.isfinite(outputs).all():
            raise diverged(self.recipe)
        return self._learner.predictions(task, outputs[None], self.recipe)

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

    def predict_set(self, inputs: Any, coverage: float | None = None) -> list[Array]:
        """Return the classes that may be right for each input: a list of n arrays, or empty ones.

        If the task is like the run's validation tasks, a set holds the true class with a
        probability of at least `coverage`: on average over tasks and inputs, not in each task. An
        empty set says that no class is as probable as true ones usually are.

        Args:
          inputs: see `predict`.
          coverage: from 0.5 to 0.999; None: evaluation.coverage of the run.
        Raises:
          ValueError: the task has no classes, the run is of an older version or was not calibrated
            for this recipe, or the coverage is out of range.
        Source: see `conformal_quantiles`.
        """
        sets = self._sureness(inputs, coverage).sets
        if sets is None or self.classes is None:
            raise ValueError("values have no sets of classes; use predict_interval")
        return [self.classes[: len(held)][held] for held in sets]

    def predict_interval(self, inputs: Any, coverage: float | None = None) -> Array:
        """Return the ends of an interval around each predicted value, float64 [n, numbers, 2].

        In your units; see `predict_set` for what they promise. Infinite if the run had too few
        validation tasks for the coverage.

        Args:
          inputs: see `predict`.
          coverage: from 0.5 to 0.999; None: evaluation.coverage of the run.
        Raises:
          ValueError: the task has classes; else as `predict_set`.
        """
        intervals = self._sureness(inputs, coverage).intervals
        if intervals is None:
            raise ValueError("classes have no intervals; use predict_set")
        return intervals

    def is_unknown(self, inputs: Any, false_alarms: float | None = None) -> Array:
        """Tell which predictions are less sure than nearly all of validation tasks: bool [n].

        Args:
          inputs: see `predict`.
          false_alarms: the share of the inputs of tasks like the validation tasks for which this
            is true at most, from 0.001 to 0.5; None: evaluation.false_alarms of the run.
        Raises:
          ValueError: the run's loss does not say how sure it is; else as `predict_set`.
        """
        unknown = self._sureness(inputs, None, false_alarms).unknown
        if unknown is None:
            raise ValueError(
                f"{self._learner.loss.title} does not say how sure it is; train with task.loss = "
                "'gaussian_nll'"
            )
        return unknown

    def likeness(self) -> float:
        """Return a p-value, low if the task is unlike the run's validation tasks.

        It compares the losses of the support set before and after adaptation. Of tasks like the
        validation tasks one in a hundred has 0.01 or less; `metatrain adapt` flags these.

        Raises:
          ValueError: the run is of an older version, or adapted by another recipe.
        """
        recipe, value = self.recipe, None
        if recipe == self._learner.recipe:
            task = self._learner.reader.assemble(self._task)
            losses = self._learner.run("evaluate", task, replace(recipe, on_support=True))["loss"]
            ends = float(losses[0]), float(losses[-1])
            value = likeness_of(self._learner._artefact, ends)
        if value is None:
            raise ValueError(
                "the support losses of validation tasks are known for none but the recipe and "
                "statistics of the run's own evaluation, and of runs of this version that ended"
            )
        return value

    def _sureness(
        self, inputs: Any, coverage: float | None, false_alarms: float | None = None
    ) -> Sureness:
        learner, source = self._learner, self._learner._artefact
        calibration = calibration_for(source, self.recipe)
        asked = shares_of(source, coverage, false_alarms)
        task, outputs = self._task_of(inputs), self._outputs(inputs)
        return sureness_of(learner.loss, learner.reader, task, calibration, outputs, asked)

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
        """Write a .keras file that plain Keras loads, or an .onnx file for other programs.

        Its outputs are those that the loss takes: logits of classes or labels, or values; for
        gaussian_nll means, then logarithms of standard deviations.

        Args:
          inputs: those whose statistics a batch normalization keeps, if there is one; None: the
            support set.
        Raises:
          ValueError: `file` exists, does not end in .keras or .onnx, or ONNX lacks an operation.
          MetatrainError: it cannot be written, or an .onnx file answers otherwise than Keras.
        """
        from workers.export.onnx_file import as_saved

        with open_model_file(file, MODEL_FILES) as new:
            support = self._task.support_inputs
            queries = support if inputs is None else self._learner.read_inputs(inputs)
            task = self._learner.reader.assemble(replace(self._task, query_inputs=queries))
            content = self._learner.as_keras(self._task, self._adapted, task.query_inputs)
            scaling = self._learner.reader.scaling(self._task)
            new.write(as_saved(Path(file).suffix, content, task.query_inputs, scaling))

    @property
    def _has_labels(self) -> bool:
        return self._learner.loss.targets == "labels"

    def _answers(self, inputs: Any) -> Answers:
        return self._learner.answers(self._task, self._outputs(inputs))

    def _outputs(self, inputs: Any) -> Array:
        return self._learner._answer(self._adapted, self._with_queries(inputs))

    def _scores(self, task: UserTask) -> dict[str, float]:
        """Score the queries of a task, whose targets are known, with the adapted weights."""
        outputs = self._learner._answer(self._adapted, self._learner.reader.assemble(task))
        scores = self._learner.scores(task, outputs[None])
        assert scores is not None
        return {name: float(values[0]) for name, values in scores.items()}

    def _with_queries(self, inputs: Any) -> UserTask:
        return self._learner.reader.assemble(self._task_of(inputs))

    def _task_of(self, inputs: Any) -> UserTask:
        return self._asking(self._learner.read_inputs(inputs))

    def _asking(self, queries: Array) -> UserTask:
        return replace(self._task, query_inputs=queries, rows=np.arange(len(queries)))
