"""A model of texts, adapted to a few."""

from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.adaptation.predictor import Predictor
from orchestrator.adaptation.user_tasks import OwnTask
from workers.bits_per_character import bits_of_texts
from workers.wire.protocol import Array, Recipe

if TYPE_CHECKING:
    from orchestrator.learner import Learner


class TextPredictor(Predictor):
    """A language model adapted to the texts of one task.

    Example:

        from orchestrator.learner import Learner

        learner = Learner.load("runs/names-generation")
        predictor = learner.adapt(["Sigurdsson", "Jonsdottir", "Magnusson"])
        predictor.generate(5, temperature=0.8)
        predictor.bits_per_character(["Einarsson"])
    """

    def __init__(self, learner: "Learner", task: OwnTask, recipe: Recipe):
        super().__init__(learner, task, recipe, None)

    def generate(
        self,
        number: int = 1,
        *,
        prompt: str = "",
        temperature: float = 1.0,
        top_k: int | None = None,
        seed: int = 0,
    ) -> list[str]:
        """Texts that begin with `prompt`; those of the model before: adapt with inner_steps=0.

        Args:
          number: of texts, >= 1; the first ones are the same whatever it is.
          temperature: >= 0; 0: the likeliest token. top_k: draw among so many likeliest, >= 1.
        Raises:
          ValueError: out of these ranges, or the prompt leaves no room.
        """
        from workers.export.text_sampling import SamplingOptions

        options = SamplingOptions(temperature, top_k, seed)
        return self._learner.sampler.generate(self._adapted, number, options, prompt)

    def bits_per_character(self, texts: Any) -> Array:
        """Of each text, its end included; of tokens, where these are bytes: float64 [n]."""
        return self._bits(texts, self._outputs(texts))

    def by_inner_step(self, inputs: Any) -> Array:
        """Bits per character after 0, 1, ..., recipe.inner_steps steps: [steps + 1, n]."""
        outputs = self._learner.run("predict", self._asking(inputs), self.recipe)["outputs"]
        return self._bits(inputs, outputs)

    def predict(self, inputs: Any) -> Array:
        """There is nothing to predict."""
        raise ValueError(
            "texts are gone on with, not predicted; use generate, or bits_per_character"
        )

    def predict_proba(self, inputs: Any) -> Array:
        """Probabilities of each next token: float32 [n, length, tokens]."""
        logits = np.asarray(self._outputs(inputs), np.float64)
        exp = np.exp(logits - logits.max(-1, keepdims=True))
        return np.asarray(exp / exp.sum(-1, keepdims=True), np.float32)

    def _bits(self, texts: Any, outputs: Array) -> Array:
        return bits_of_texts(outputs, self._learner.read_targets(texts))
