"""Learner: adaptation of a trained run to the user's examples, from Python."""

import functools
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from orchestrator.adaptation import artefact
from orchestrator.adaptation.answers import Answers, answers_of
from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.checks import (
    change,
    check_backbone,
    check_model,
    check_weights,
    with_models_in,
    with_statistics,
    worker_settings,
)
from orchestrator.adaptation.predictions import Predictions
from orchestrator.adaptation.predictor import Predictor
from orchestrator.adaptation.readers.registry import make_reader
from orchestrator.adaptation.recipe_words import diverged
from orchestrator.adaptation.scores import scores_of
from orchestrator.adaptation.sureness import sure_or_none
from orchestrator.adaptation.user_blocks import answer, is_finite, predict_block, run_block
from orchestrator.adaptation.user_targets import inputs_of, query_targets, support_targets
from orchestrator.adaptation.user_tasks import UserTask, ways_of
from workers.execution import runtime
from workers.losses.registry import loss_of
from workers.losses.scoring import Scorer, Scores
from workers.tasks.family import digests_of
from workers.wire.errors import MetatrainError
from workers.wire.protocol import Adapted, Array, Kind, Recipe

if TYPE_CHECKING:
    from orchestrator.adaptation.adapted_policy import Policy
    from workers.tasks.environments.user_environment import UserEnvironment


class Learner:
    """A meta-trained model, ready to adapt.

    loss: the loss of its tasks.
    classifies: whether tasks have classes rather than values.
    generates: whether tasks are text generation.
    recipe: the inner rate and steps that the run's validation chose.
    protocol: the conditions under which the run's scores were measured.
    reader: converts a user's examples to those that the model takes.

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
          ValueError: a user's model cannot be loaded, or differs from the one that was trained.
        """
        # A process with other TensorFlow settings may still predict, with different last bits.
        with suppress(MetatrainError):
            runtime.start_tensorflow(0)
        from workers.block import BlockRunner
        from workers.tasks.registry import make_family

        self._artefact, self._config = source, source.config
        self._settings = worker_settings(source)
        self.reader = make_reader(source.config.task, source.examples)
        with tempfile.TemporaryDirectory() as folder:
            settings = with_models_in(self._settings, Path(folder), source)
            self._family = make_family(source.examples, settings.model)
            self._runner = BlockRunner(settings, self._family)
            check_backbone(source, digests_of(self._family))
        check_model(source, self._runner.model_digest, self._runner.loss_digest)
        layout = self._runner.training.theta_layout
        check_weights(source, layout.names, layout.shapes)
        self.loss = loss_of(source.examples)
        self._scorer = Scorer(self.loss)
        self.classifies, self.generates = self.loss.classifies, self.loss.generates
        self.recipe, self.protocol = source.recipe, source.protocol

    @classmethod
    def load(cls, source: str | Path, statistics: str | None = None) -> Self:
        """Load a run's folder or URI, or a file that `metatrain export` wrote.

        Args:
          source: the folder, URI or file.
          statistics: the statistics of batch normalization: "batch", over all queries together, or
            "support", over each query with the support set. None: those of training, but "support"
            in place of "batch", with which a query's prediction would depend on the others.
        Raises:
          ValueError: there is no run, or it has no validated checkpoint.
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
        """Run the inner loop on a few examples, and return a `Predictor`.

        Args:
          inputs: inputs like those of the run's tasks, [n, ...]: numbers, or images (float in
            [0, 1] of the size trained on, uint8 of any size, or paths).
          targets: n classes, distinguished and sorted by their text, or values [n] or
            [n, num_outputs]; none for runs of text generation, which return a `TextPredictor`.
          inner_steps, inner_lr: instead of those that validation chose; >= 0, > 0.
        Raises:
          ValueError: the examples do not fit the model.
          NonFiniteError: the inner loop diverged.
        """
        recipe = change(self._artefact, inner_steps, inner_lr)
        if self.generates:
            from orchestrator.adaptation.text_predictor import TextPredictor, task_of_texts

            texts = self.read_inputs(inputs)
            return TextPredictor(self, task_of_texts(self.reader, inputs, texts, targets), recipe)
        task, labels = self.task_of(inputs, targets)
        return Predictor(self, task, recipe, labels)

    def task_of(
        self, inputs: Any, targets: Any, queries: Any = None
    ) -> tuple[UserTask, Array | None]:
        """Make a task of examples in memory, and return its classes as the user wrote them.

        Args:
          inputs, targets: the support set, see `adapt`.
          queries: inputs to predict; None: the first input of the support set.
        Raises:
          ValueError: the examples do not fit the model.
        """
        examples = self.read_inputs(inputs)
        support = support_targets(self._artefact.examples, self.reader, examples, targets)
        asked = examples[:1] if queries is None else self.read_inputs(queries)
        rows = np.arange(len(asked))
        task = UserTask("", support.classes, examples, support.values, asked, None, rows)
        return task, support.labels

    def adapt_to(
        self,
        environment: Any,
        arguments: Mapping[str, Any] = MappingProxyType({}),
        *,
        episodes: int | None = None,
        evaluation_episodes: int | None = None,
        inner_steps: int | None = None,
        inner_lr: float | None = None,
        seed: int = 0,
        judged_by: int | None = None,
    ) -> "Policy":
        """Adapt a run's policy to an environment: collect episodes and take inner steps in turn.

        Args:
          environment: a gymnasium id, "module:Class", a function or class that makes environments,
            or an environment, in which episodes then follow one another; for a run of navigation
            "navigation".
          arguments: attributes of the environment, or arguments of its constructor; for navigation
            {"goal": (x, y)}.
          episodes: episodes to learn from at each inner step, >= 1; None: as in the run's
            evaluation.
          evaluation_episodes: new episodes before and after each inner step, >= 1; likewise.
          inner_steps, inner_lr: instead of those that validation chose; >= 0, > 0.
          seed: seed of the episodes, 0 to 2^32 - 1.
          judged_by: the former name of `evaluation_episodes`; deprecated.
        Raises:
          ValueError: the run is not a policy, or its policy cannot act in the environment.
          NonFiniteError: the inner loop diverged.
          TaskError: the environment raised an exception.
        """
        from orchestrator.adaptation.adapted_policy import check_seed, recipe_of, renamed_argument
        from orchestrator.adaptation.user_environment import open_environment

        if judged_by is not None:
            evaluation_episodes = renamed_argument(
                "judged_by", judged_by, "evaluation_episodes", evaluation_episodes
            )
        recipe = recipe_of(self._artefact, inner_steps, inner_lr, episodes, evaluation_episodes)
        family = open_environment(self._artefact, environment, arguments)
        return self.practise_in(family, recipe, check_seed(seed))

    def practise_in(self, family: "UserEnvironment", recipe: Recipe, seed: int) -> "Policy":
        """Adapt as `adapt_to`, in an open environment."""
        from orchestrator.adaptation.adapted_policy import Policy

        return Policy(self._artefact, self._settings, family, recipe, seed)

    def run(self, kind: Kind, task: UserTask, recipe: Recipe) -> dict[str, Array]:
        """Run a block of a single task, and return its results without the task axis.

        Raises:
          NonFiniteError: the inner loop diverged.
        """
        (result,) = run_block(self._runner, self._artefact, kind, [task], recipe)
        if is_finite(result):
            return result
        raise diverged(recipe)

    def predict_tasks(self, tasks: Sequence[UserTask], recipe: Recipe) -> list[Predictions | None]:
        """Adapt to tasks of `task_of` as one block, and predict; see `predict_block`."""
        made = self.reader, self._scorer
        return predict_block(self._runner, self._artefact, *made, tasks, recipe)

    @property
    def num_graphs(self) -> int:
        """The number of graphs traced so far: one for each kind and shape of what was asked."""
        return self._runner.num_traces

    def _answer(self, adapted: Adapted, user_task: UserTask) -> Array:
        """Return the outputs for the queries with weights that are already adapted."""
        return answer(self._runner, self._family, self._artefact, adapted, user_task)

    def answers(self, task: UserTask, outputs: Array) -> Answers:
        """Return what outputs answer, in the user's units."""
        return answers_of(self.loss, self.reader, task, outputs)

    def scores(self, task: UserTask, outputs: Array) -> Scores | None:
        """Score outputs [steps, queries, ...] by the run's loss and metrics, see `scores_of`."""
        answers = self.answers(task, outputs).values
        return scores_of(self._scorer, self.reader, task, outputs, answers)

    def predictions(self, task: UserTask, outputs: Array, recipe: Recipe) -> Predictions:
        """Return what outputs [steps, queries, ...] of a model that adapted by `recipe` predict."""
        made = self.reader, self._scorer, sure_or_none(self._artefact, self.reader, recipe)
        return Predictions.of(task, outputs, *made)

    def read_inputs(self, given: Any) -> Array:
        """Convert inputs to the model's, float32 [n, ...]."""
        return inputs_of(self.reader, given)

    def read_answers(self, task: UserTask, inputs: Array, given: Any) -> Array:
        """Convert the true answers to a task's queries, see `query_targets`."""
        return query_targets(self._artefact.examples, self.reader, inputs, given, task.classes)

    @functools.cached_property
    def sampler(self) -> Any:
        """Sampler of texts, for runs of text generation."""
        from workers.export.text_sampling import Sampler

        return Sampler(self._runner.held_out.plain, self._artefact.examples.preparation)

    @property
    def held_out(self) -> Any:
        """The graphs of adaptation and prediction, see `workers.held_out`."""
        return self._runner.held_out

    def as_keras(self, task: UserTask, adapted: Adapted, seen: Array) -> bytes:
        """Return a .keras file of the adapted model, normalized by the statistics of `seen`."""
        from workers.export.plain_keras import as_plain

        with tempfile.TemporaryDirectory() as folder:
            settings = with_models_in(self._settings, Path(folder), self._artefact)
            scaling = self.reader.scaling(task)
            ways = ways_of(self._config, task)
            return as_plain(settings, self._family, adapted, seen, scaling, num_outputs=ways)[1]


def restore_learner(content: bytes, origin: str, model_digest: str) -> Learner:
    """Build a pickled learner from its artefact's bytes; for the others see `Artefact`."""
    return Learner(artefact.from_bytes(content, origin, model_digest))
