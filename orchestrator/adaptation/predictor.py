"""A model adapted to the examples of one task."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.adaptation.checks import open_model_file, probabilities
from orchestrator.adaptation.user_tasks import OwnTask
from workers.wire.protocol import Adapted, Array, Recipe

if TYPE_CHECKING:
    from orchestrator.learner import Learner


class Predictor:
    """A model adapted to one task.

    classes: of the task, in the order of the outputs; None in regression. recipe: how it adapted.
    """

    def __init__(self, learner: "Learner", task: OwnTask, recipe: Recipe, classes: Array | None):
        self._learner, self._task = learner, task
        self.recipe, self.classes = recipe, classes
        found = learner.run("adapt", learner._assemble(task), recipe)
        self._adapted = Adapted(found["theta"], found["statistics"])

    def predict(self, inputs: Any) -> Array:
        """A class for each input, or values float32 [n, num_outputs]."""
        if self.classes is None:
            return self._learner.values(self._task, self._outputs(inputs))
        best: Array = self.classes[self.predict_proba(inputs).argmax(-1)]
        return best

    def predict_proba(self, inputs: Any) -> Array:
        """Probabilities of the classes, float32 [n, classes].

        Raises:
          ValueError: the task has no classes.
        """
        if self.classes is None:
            raise ValueError("values have no probabilities; use predict")
        return probabilities(self._outputs(inputs), len(self.classes))

    def by_inner_step(self, inputs: Any) -> Array:
        """Probabilities, or values, after 0, 1, ..., recipe.inner_steps steps: [steps + 1, n, ...].

        Where they still move much from one step to the next, a few examples decide little.
        """
        outputs = self._learner.run("predict", self._asking(inputs), self.recipe)["outputs"]
        if self.classes is None:
            return self._learner.values(self._task, outputs)
        return probabilities(outputs, len(self.classes))

    def save(self, file: str | Path, inputs: Any = None) -> None:
        """Write a .keras file that plain Keras loads; it answers in logits, or values.

        Args:
          inputs: those whose statistics a batch normalization keeps, if there is one; unset: the
            support set's.
        Raises:
          ValueError: `file` exists, or does not end in .keras. MetatrainError: it cannot be
            written.
        """
        with open_model_file(file) as new:
            given = self._task.support_inputs
            asked = given if inputs is None else self._learner.read_inputs(inputs)
            seen = self._learner._assemble(replace(self._task, query_inputs=asked)).query_inputs
            new.write(self._learner.as_keras(self._task, self._adapted, seen))

    def _outputs(self, inputs: Any) -> Array:
        return self._learner._answer(self._adapted, self._asking(inputs))

    def _asking(self, inputs: Any) -> OwnTask:
        asked = self._learner.read_inputs(inputs)
        task = replace(self._task, query_inputs=asked, rows=np.arange(len(asked)))
        return self._learner._assemble(task)
