"""Adapt a trained run to one's own examples, from Python."""

import functools
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from orchestrator.adaptation import artefact
from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.checks import (
    change,
    check_model,
    check_weights,
    diverged,
    with_model_in,
    with_statistics,
    worker_settings,
)
from orchestrator.adaptation.predictor import Predictor
from orchestrator.adaptation.readers.registry import make_reader
from orchestrator.adaptation.user_tasks import (
    UserTask,
    as_indices,
    classes_of,
    first_of,
    names_of,
    specs_of,
)
from workers.execution import runtime
from workers.metrics import CLASSIFYING
from workers.wire.errors import MetatrainError
from workers.wire.protocol import Adapted, Array, Block, Episode, Kind, Recipe, Task

if TYPE_CHECKING:
    from orchestrator.adaptation.adapted_policy import Policy
    from orchestrator.adaptation.text_predictor import TextPredictor
    from workers.tasks.environments.user_environment import UserEnvironment


class Learner:
    """A meta-trained model, ready to adapt.

    classifies: whether tasks have classes, or values. generates: whether they are texts to go on
    with. recipe: the inner rate and steps that the run's validation chose. protocol: what to know
    of the numbers of the run.

    Example:

        from metatrain import Learner

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
        from workers.tasks.user_tasks import UserTaskFamily

        self._artefact, self._config = source, source.config
        self._settings = worker_settings(source)
        self._family = UserTaskFamily(source.examples)
        self._reader = make_reader(source.config.task, source.examples)
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
          statistics: of a batch normalization: "batch", of the queries together, or "support",
            of each query with the support set. None: those in training, but "support" in the place
            of "batch", since a query's answer would depend on the others'.
        Raises:
          ValueError: there is none, or it has no validated checkpoint.
          CheckpointError: it is damaged.
        """
        return cls(with_statistics(artefact.load(str(source)), statistics))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the artefact's bytes; unpickling builds the model from them."""
        source = self._artefact
        return restore_learner, (artefact.as_bytes(source), source.origin, source.model_digest)

    # Pickles of predictors name this method and `restore_learner`, and otherwise hold the
    # artefact's bytes and plain values. So they load after other modules have moved.
    def _restored(self, state: Mapping[str, Any]) -> Predictor:
        """Build the predictor of a pickle; its weights are adapted already.

        Args:
          state: the fields of its task, recipe and adapted weights; and its classes.
        """
        from orchestrator.adaptation.text_predictor import TextPredictor

        task, recipe = UserTask(**state["task"]), Recipe(**state["recipe"])
        adapted = Adapted(**state["adapted"])
        if self.generates:
            return TextPredictor(self, task, recipe, adapted)
        return Predictor(self, task, recipe, state["classes"], adapted)

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
            texts = names_of(targets)
            classes = classes_of(self._artefact.examples, texts)
            own = as_indices(texts, classes)
            labels = np.array([first_of(targets, texts, name) for name in classes])
        else:
            own = self._values(targets)
        task = UserTask("", classes, examples, own, examples[:1], None, np.arange(1))
        return Predictor(self, task, recipe, labels)

    def _adapt_to_texts(
        self, texts: Any, examples: Array, targets: Any, recipe: Recipe
    ) -> "TextPredictor":
        from orchestrator.adaptation.text_predictor import TextPredictor

        if targets is not None:
            raise ValueError("texts to go on with have no targets but themselves; give none")
        own = self._reader.targets(texts)
        task = UserTask("", None, examples, own, examples[:1], own[:1], np.arange(1))
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

    def adapt_to(
        self,
        environment: Any,
        arguments: Mapping[str, Any] = MappingProxyType({}),
        *,
        episodes: int | None = None,
        judged_by: int | None = None,
        inner_steps: int | None = None,
        inner_lr: float | None = None,
        seed: int = 0,
    ) -> "Policy":
        """Let a run's policy make episodes in an environment, and take inner steps, by turns.

        Args:
          environment: a name that gymnasium knows, "module:Class", a function or class that makes
            environments, or one of them, in which episodes then come one after another; of a run of
            navigation "navigation".
          arguments: attributes of the environment, or arguments of its constructor; of navigation
            {"goal": (x, y)}.
          episodes: to learn from at each inner step, >= 1; None: as in the run's evaluation.
          judged_by: fresh ones before and after each inner step, >= 1; likewise.
          inner_steps, inner_lr: instead of those that validation chose; >= 0, > 0.
          seed: of all that happens in the episodes, 0 to 2^32 - 1.
        Raises:
          ValueError: the run is no policy, or the environment none that it can act in.
          NonFiniteError: the inner loop diverged. TaskError: the environment raised.
        """
        from orchestrator.adaptation.adapted_policy import check_seed, recipe_of
        from orchestrator.adaptation.user_environment import open_environment

        recipe = recipe_of(self._artefact, inner_steps, inner_lr, episodes, judged_by)
        family = open_environment(self._artefact, environment, arguments)
        return self.practise_in(family, recipe, check_seed(seed))

    def practise_in(self, family: "UserEnvironment", recipe: Recipe, seed: int) -> "Policy":
        """As `adapt_to`, in an environment that is open."""
        from orchestrator.adaptation.adapted_policy import Policy

        return Policy(self._artefact, self._settings, family, recipe, seed)

    def run(self, kind: Kind, task: UserTask, recipe: Recipe) -> dict[str, Array]:
        """What a block of this one task gives, without the task axis."""
        block = Block(kind, 0, 0, 0, 1, specs_of(self._config, [task], recipe), recipe)
        found = self._runner.run(self._artefact.state.weights, block).metrics
        for values in found.values():
            if not np.isfinite(values).all():
                raise diverged(recipe)
        return {name: values[0] for name, values in found.items()}

    def _answer(self, adapted: Adapted, own: UserTask) -> Array:
        """Outputs for the queries, at weights that are adapted already."""
        specs = specs_of(self._config, [own], Recipe(1.0, 1))
        seed = specs["seeds"][0] if "seeds" in specs else np.zeros(2, np.int32)
        support_x, support_y, query_x, query_y = (specs[name][0] for name in Episode._fields)
        task = Task(support_x, support_y, query_x, query_y, np.zeros((0, 0), np.int32), seed)
        return self._runner.held_out.answer(adapted, task)

    def _assemble(self, task: UserTask) -> UserTask:
        """The task as the model takes it."""
        return self._reader.assemble(task)

    def values(self, task: UserTask, outputs: Array) -> Array:
        """What the model of regression answers, in the user's own units."""
        return self._reader.answers(task, outputs)

    def read_inputs(self, given: Any) -> Array:
        """Inputs as the model takes them, float32 [n, ...]."""
        return self._reader.inputs(given)

    def read_targets(self, given: Any) -> Array:
        """Targets as the model is scored by them."""
        return self._reader.targets(given)

    @functools.cached_property
    def sampler(self) -> Any:
        """Makes texts, where the run's tasks are texts."""
        from workers.export.text_sampling import Sampler

        return Sampler(self._runner.held_out.model, self._artefact.examples.preparation)

    def as_keras(self, task: UserTask, adapted: Adapted, seen: Array) -> bytes:
        """The content of a .keras file, with the statistics of `seen`."""
        from workers.export.plain_keras import as_plain

        settings = self._settings
        with tempfile.TemporaryDirectory() as folder:
            if self._artefact.model is not None:
                settings = with_model_in(settings, Path(folder), self._artefact.model)
            units = self._reader.units(task)
            return as_plain(settings, self._family, adapted, seen, units)[1]


def restore_learner(content: bytes, origin: str, model_digest: str) -> Learner:
    """Build the learner of a pickle.

    Args:
      content: the artefact, as `artefact.as_bytes` returns it.
      origin, model_digest: see `Artefact`.
    """
    return Learner(artefact.from_bytes(content, origin, model_digest))
