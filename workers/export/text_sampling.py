"""Sampling of texts from a language model, token by token."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from workers.meta_parameters import Layout
from workers.models.functional import FunctionalModel
from workers.tasks.text.characters import END, UNKNOWN, Characters
from workers.wire.protocol import Adapted, Array


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How the next token is drawn.

    temperature: divisor of the logits, >= 0; 0: take the likeliest token.
    top_k: draw from this many likeliest tokens; None: from all.
    seed: of the draws; each text has its own stream.
    """

    temperature: float = 1.0
    top_k: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for values out of range."""
        if not (np.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature = {self.temperature:g}; 0 or more is allowed")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k = {self.top_k}; 1 or more is allowed")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed = {self.seed}; 0 to 2^32 - 1 is allowed")


class Sampler:
    """A sampler of texts from a model, at weights that are already adapted."""

    def __init__(self, model: FunctionalModel, preparation: dict[str, Any]):
        """Prepare to sample. preparation: of the family that the model was trained on."""
        self._model = model
        self._characters = Characters.from_dict(preparation["characters"])
        self._weights = Layout(self._model.names, self._model.shapes)
        self._kept = Layout(self._model.statistics_names, self._model.statistics_shapes)
        self._logits = tf.function(self._logits_at, autograph=False)

    def generate(
        self, adapted: Adapted, number: int, options: SamplingOptions, prompt: str = ""
    ) -> list[str]:
        """Sample `number` texts that begin with `prompt`, up to an end or the model's length.

        Raises:
          ValueError: number < 1, or the prompt leaves no room.
        """
        if not isinstance(number, int | np.integer) or number < 1:
            raise ValueError(f"{number} texts to generate; 1, 2, ... are allowed")
        prefix = self._characters.prefix(prompt)
        if len(prefix) >= self._characters.longest:
            raise ValueError(
                f"the prompt has {len(prefix)} {self._characters.kind}, the model takes "
                f"{self._characters.longest} in all: {prompt[:40]!r}; shorten it"
            )
        length = self._characters.length
        ids = np.zeros((number, length), np.int32)
        ids[:, 1 : 1 + len(prefix)] = prefix
        draws = [np.random.default_rng([options.seed, row]) for row in range(number)]
        texts: list[list[int]] = [list(prefix) for _ in range(number)]
        weights = tf.constant(adapted.theta), tf.constant(adapted.statistics)
        open_rows = list(range(number))
        for place in range(len(prefix), self._characters.longest):
            logits = self._logits(*weights, tf.constant(ids), tf.constant(place)).numpy()
            for row in list(open_rows):
                token = self._draw(logits[row], options, draws[row])
                if token == END:
                    open_rows.remove(row)
                    continue
                texts[row].append(token)
                if place + 1 < length:
                    ids[row, place + 1] = token
            if not open_rows:
                break
        return [prompt + self._characters.decode(tokens[len(prefix) :]) for tokens in texts]

    def _draw(self, logits: Array, options: SamplingOptions, rng: np.random.Generator) -> int:
        """Draw a token; never the one for unknown characters, nor an end if texts have none."""
        allowed = logits.astype(np.float64)
        allowed[UNKNOWN] = -np.inf
        if not self._characters.ends:
            allowed[END] = -np.inf
        if not options.temperature:
            return int(allowed.argmax())
        if options.top_k is not None and options.top_k < len(allowed):
            least = np.sort(allowed)[-options.top_k]
            allowed[allowed < least] = -np.inf
        # Gumbel-max sampling: there is no sum whose rounding could decide.
        noise = -np.log(-np.log(rng.random(len(allowed))))
        return int((allowed / options.temperature + noise).argmax())

    def _logits_at(
        self, vector: tf.Tensor, statistics: tf.Tensor, ids: tf.Tensor, place: tf.Tensor
    ) -> Any:
        state = self._model.start(self._kept.split(statistics), tf.zeros(2, tf.int32))
        outputs, _ = self._model.apply(self._weights.split(vector), state, ids, training=False)
        return outputs[:, place]
