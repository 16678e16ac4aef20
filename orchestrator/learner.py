"""Adapt a trained run to one's own examples, from Python."""

import functools
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from orchestrator import artefact
from orchestrator.adapting import (
    change,
    check_model,
    check_model_file,
    check_weights,
    diverged,
    probabilities,
    with_model_in,
    with_statistics,
    worker_settings,
)
from orchestrator.artefact import Artefact
from orchestrator.examples.registry import READERS
from orchestrator.own_tasks import OwnTask, as_indices, classes_of, specs_of
from workers import runtime
from workers.errors import MetatrainError
from workers.protocol import Adapted, Array, Block, Episode, Kind, Recipe, Task
from workers.scores import CLASSIFYING

if TYPE_CHECKING:
    from orchestrator.text_predictor import TextPredictor


class Learner:
    """A meta-trained model, ready to adapt.

    classifies: whether tasks have classes, or values. generates: whether they are texts to go on
    with. recipe: the inner rate and steps that the run's validation chose. protocol: what to know
    of the numbers of the run.

    Example:

        from orchestrator.learner import Learner

        learner = Learner.load("runs/sinusoid")
        predictor = learner.adapt([-2.0, 0.5, 1.0, 3.0], [0.3, 1.2, 1.9, 0.4])
        predictor.predict([0.0, 2.0])
        predictor.save("adapted.keras")
    """

    def __init__(self, source: Artefact):
        """Build the model of an artefact; `load` reads one.

        Raises:
          ValueError: a user's model cannot be had, or is another one than was trained.
        """
        # A process that has started TensorFlow otherwise may predict, if with other last bits.
        with suppress(MetatrainError):
            runtime.start_tensorflow(0)
        from workers.block import BlockRunner
        from workers.tasks.given import GivenFamily

        self._artefact, self._config = source, source.config
        self._settings = worker_settings(source)
        self._family = GivenFamily(source.examples)
        self._reader = READERS[source.config.task.kind](source.config.task, source.examples)
        with tempfile.TemporaryDirectory() as folder:
            built = self._settings
            if source.model is not None:
                built = with_model_in(built, Path(folder), source.model)
            self._runner = BlockRunner(built, self._family)
        check_model(source, self._runner.model_digest)
        check_weights(source, self._runner.theta_layout.names, self._runner.theta_layout.shapes)
        self.classifies = source.examples.loss in CLASSIFYING
        self.generates = source.examples.loss == "next_token"
        self.recipe, self.protocol = source.recipe, source.protocol

    @classmethod
    def load(cls, source: str | Path, statistics: str | None = None) -> Self:
        """Of a run's folder or URI, or of a file that `metatrain export` wrote.

        Args:
          statistics: of a batch normalization, instead of those in training: "batch", of the
            queries together, or "support", of each query with the support set.
        Raises:
          ValueError: there is none, or it has no validated checkpoint.
          CheckpointError: it is damaged.
        """
        return cls(with_statistics(artefact.load(str(source)), statistics))

    def adapt(
        self,
        inputs: Any,
        targets: Sequence[Any] | Array | None = None,
        *,
        inner_steps: int | None = None,
        inner_lr: float | None = None,
    ) -> Any:
        """Run the inner loop on a few examples: a `Predictor`.

        Args:
          inputs: as the run's tasks have them, [n, ...]: numbers, or images (float in [0, 1] of
            the size trained on, uint8 of any size, or paths).
          targets: n classes, told apart and sorted by their text, or values [n] or
            [n, num_outputs]; none where the inputs are texts to go on with, which gives a
            `TextPredictor`.
          inner_steps, inner_lr: instead of those that validation chose; >= 0, > 0.
        Raises:
          ValueError: they are not what the model takes. NonFiniteError: the inner loop diverged.
        """
        recipe = change(self.recipe, inner_steps, inner_lr)
        if targets is not None and not isinstance(targets, np.ndarray):
            targets = list(targets)
        examples = self._reader.inputs(inputs)
        if self.generates:
            return self._adapt_to_texts(inputs, examples, targets, recipe)
        if targets is None:
            raise ValueError(f"{len(examples)} inputs without targets; give as many")
        if len(examples) != len(targets):
            raise ValueError(f"{len(examples)} inputs, but {len(targets)} targets; give as many")
        labels: Array | None = None
        classes = None
        if self.classifies:
            texts = _names(targets)
            classes = classes_of(self._artefact.examples, texts)
            own = as_indices(texts, classes)
            labels = np.array([_first(targets, texts, name) for name in classes])
        else:
            own = self._values(targets)
        task = OwnTask("", classes, examples, own, examples[:1], None, np.arange(1))
        return Predictor(self, task, recipe, labels)

    def _adapt_to_texts(
        self, texts: Any, examples: Array, targets: Any, recipe: Recipe
    ) -> "TextPredictor":
        from orchestrator.text_predictor import TextPredictor

        if targets is not None:
            raise ValueError("texts to go on with have no targets but themselves; give none")
        own = self._reader.targets(texts)
        task = OwnTask("", None, examples, own, examples[:1], own[:1], np.arange(1))
        return TextPredictor(self, task, recipe)

    def _values(self, targets: Any) -> Array:
        found = self._reader.targets(targets)
        wanted = self._artefact.examples.num_outputs
        if found.shape[1:] != (wanted,) or not np.isfinite(found).all():
            raise ValueError(
                f"targets of shape {list(np.shape(targets))}; finite values [n, {wanted}] are "
                "needed"
            )
        return found

    def run(self, kind: Kind, task: OwnTask, recipe: Recipe) -> dict[str, Array]:
        """What a block of this one task gives, without the task axis."""
        block = Block(kind, 0, 0, 0, 1, specs_of(self._config, [task], recipe), recipe)
        found = self._runner.run(self._artefact.state.weights, block).metrics
        for values in found.values():
            if not np.isfinite(values).all():
                raise diverged(recipe)
        return {name: values[0] for name, values in found.items()}

    def answer(self, adapted: Adapted, own: OwnTask) -> Array:
        """Outputs for the queries, at weights that are adapted already."""
        specs = specs_of(self._config, [own], Recipe(1.0, 1))
        seed = specs["seeds"][0] if "seeds" in specs else np.zeros(2, np.int32)
        support_x, support_y, query_x, query_y = (specs[name][0] for name in Episode._fields)
        task = Task(support_x, support_y, query_x, query_y, np.zeros((0, 0), np.int32), seed)
        return self._runner.held_out.answer(adapted, task)

    def assemble(self, task: OwnTask) -> OwnTask:
        """The task as the model takes it."""
        return self._reader.assemble(task)

    def values(self, outputs: Array) -> Array:
        """What the model of regression answers, in the user's own units."""
        return self._reader.values(outputs)

    def read_inputs(self, given: Any) -> Array:
        """Inputs as the model takes them, float32 [n, ...]."""
        return self._reader.inputs(given)

    def read_targets(self, given: Any) -> Array:
        """Targets as the model is scored by them."""
        return self._reader.targets(given)

    @functools.cached_property
    def sampler(self) -> Any:
        """Makes texts, where the run's tasks are texts."""
        from workers.sampling import Sampler

        return Sampler(self._runner.held_out.model, self._artefact.examples.preparation)

    def save(self, adapted: Adapted, seen: Array, file: Path) -> Array:
        """Write a .keras file; what it answers to `seen`."""
        from workers.models.plain import save_plain

        settings = self._settings
        with tempfile.TemporaryDirectory() as folder:
            if self._artefact.model is not None:
                settings = with_model_in(settings, Path(folder), self._artefact.model)
            return save_plain(settings, self._family, adapted, seen, file)


class Predictor:
    """A model adapted to one task.

    classes: of the task, in the order of the outputs; None in regression. recipe: how it adapted.
    """

    def __init__(self, learner: Learner, task: OwnTask, recipe: Recipe, classes: Array | None):
        self._learner, self._task = learner, task
        self.recipe, self.classes = recipe, classes
        found = learner.run("adapt", learner.assemble(task), recipe)
        self._adapted = Adapted(found["theta"], found["statistics"])

    def predict(self, inputs: Any) -> Array:
        """A class for each input, or values float32 [n, num_outputs]."""
        if self.classes is None:
            return self._learner.values(self._outputs(inputs))
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
            return self._learner.values(outputs)
        return probabilities(outputs, len(self.classes))

    def save(self, file: str | Path, inputs: Any = None) -> None:
        """Write a .keras file that plain Keras loads; it answers in logits, or values.

        Args:
          inputs: those whose statistics a batch normalization keeps, if there is one; unset: the
            support set's.
        Raises:
          ValueError: `file` exists, or does not end in .keras.
        """
        path = check_model_file(Path(file).expanduser())
        asked = self._task.support_inputs if inputs is None else self._learner.read_inputs(inputs)
        task = replace(self._task, query_inputs=asked)
        seen = self._learner.assemble(task).query_inputs
        self._learner.save(self._adapted, seen, path)

    def _outputs(self, inputs: Any) -> Array:
        return self._learner.answer(self._adapted, self._asking(inputs))

    def _asking(self, inputs: Any) -> OwnTask:
        asked = self._learner.read_inputs(inputs)
        task = replace(self._task, query_inputs=asked, rows=np.arange(len(asked)))
        return self._learner.assemble(task)


def _names(targets: Any) -> list[str]:
    """Classes by name.

    Raises:
      ValueError: they are not one for each example, or one is missing.
    """
    if np.ndim(targets) != 1:
        raise ValueError(
            f"targets of shape {list(np.shape(targets))}; a class for each input is needed, [n]"
        )
    for place, target in enumerate(targets):
        if target is None or target != target:  # NaN
            raise ValueError(f"targets[{place}] is {target}; every example needs a class")
    return [str(target) for target in np.asarray(targets)]


def _first(targets: Any, texts: Sequence[str], name: str) -> Any:
    """A class as the user gave it; by its name, where no example is of it."""
    return np.asarray(targets)[texts.index(name)] if name in texts else name
