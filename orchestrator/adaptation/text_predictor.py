"""A language model adapted to a few texts."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.adaptation.predictor import Predictor
from orchestrator.adaptation.readers.reader import Reader
from orchestrator.adaptation.user_tasks import UserTask
from workers.bits_per_character import bits_of_texts
from workers.wire.protocol import Adapted, Array, Recipe

if TYPE_CHECKING:
    from orchestrator.learner import Learner


def task_of_texts(reader: Reader, texts: Any, inputs: Array, targets: Any) -> UserTask:
    """Make a task of texts, which are their own targets.

    Args:
      inputs: the texts as the model takes them.
    Raises:
      ValueError: targets are given.
    """
    if targets is not None:
        raise ValueError("in text generation the texts are their own targets; give none")
    own_targets = reader.targets(texts)
    return UserTask("", None, inputs, own_targets, inputs[:1], own_targets[:1], np.arange(1))


class TextPredictor(Predictor):
    """A language model adapted to the texts of one task.

    Example:

        from orchestrator.learner import Learner

        learner = Learner.load("runs/names-generation")
        predictor = learner.adapt(["Sigurdsson", "Jonsdottir", "Magnusson"])
        predictor.generate(5, temperature=0.8)
        predictor.bits_per_character(["Einarsson"])
    """

    def __init__(
        self, learner: "Learner", task: UserTask, recipe: Recipe, adapted: Adapted | None = None
    ):
        """See `Predictor`."""
        super().__init__(learner, task, recipe, None, adapted)

    def generate(
        self,
        number: int = 1,
        *,
        prompt: str = "",
        temperature: float = 1.0,
        top_k: int | None = None,
        seed: int = 0,
    ) -> list[str]:
        """Generate texts that begin with `prompt`.

        For texts of the unadapted model, adapt with inner_steps=0.

        Args:
          number: of texts, >= 1; text i does not depend on it.
          temperature: >= 0; 0: always the likeliest token.
          top_k: draw among this many likeliest tokens, >= 1; None: among all.
          seed: of the draws.
        Raises:
          ValueError: a number is out of range, or the prompt leaves no room.
        """
        from workers.export.text_sampling import SamplingOptions

        options = SamplingOptions(temperature, top_k, seed)
        return self._learner.sampler.generate(self._adapted, number, options, prompt)

    def bits_per_character(self, texts: Any) -> Array:
        """Compute bits per character of each text, its end included: float64 [n].

        If tokens are bytes, these are bits per byte.
        """
        return self._bits(texts, self._outputs(texts))

    def evaluate(self, inputs: Any, targets: Any = None) -> dict[str, float]:
        """Score texts, which are their own targets, by the run's loss and metrics.

        Raises:
          ValueError: targets are given.
        """
        if targets is not None:
            raise ValueError("in text generation the texts are their own targets; give none")
        task = self._task_of(inputs)
        return self._scores(replace(task, query_targets=self._learner.reader.targets(inputs)))

    def by_inner_step(self, inputs: Any) -> Array:
        """Compute bits per character after 0, 1, ..., recipe.inner_steps steps: [steps + 1, n]."""
        outputs = self._learner.run("predict", self._with_queries(inputs), self.recipe)["outputs"]
        return self._bits(inputs, outputs)

    def predict(self, inputs: Any) -> Array:
        """Raise ValueError: texts are generated, not predicted."""
        raise ValueError("texts are generated, not predicted; use generate, or bits_per_character")

    def predict_proba(self, inputs: Any) -> Array:
        """Compute the probabilities of each next token: float32 [n, length, tokens]."""
        logits = np.asarray(self._outputs(inputs), np.float64)
        exp = np.exp(logits - logits.max(-1, keepdims=True))
        return np.asarray(exp / exp.sum(-1, keepdims=True), np.float32)

    def _bits(self, texts: Any, outputs: Array) -> Array:
        return bits_of_texts(outputs, self._learner.reader.targets(texts))
