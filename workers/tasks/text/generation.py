"""Language modelling: a task is a group of texts with something in common."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workers.metrics import LossName
from workers.settings.generation_task import GenerationTask
from workers.tasks.display_text import DisplayText
from workers.tasks.splits import SPLITS, split_hash
from workers.tasks.text.characters import Sequences
from workers.tasks.text.passages import read_passages, vocabulary_of
from workers.wire.errors import DataError
from workers.wire.protocol import Draw, Episode, Specs, Split


class GenerationFamily:
    """Next-token tasks: support and query are different texts of one group."""

    loss: LossName = "next_token"
    picture = "samples"
    num_train_classes: int | None = None

    def __init__(self, settings: GenerationTask):
        """Read the table, split its tasks, and build the vocabulary from the training tasks.

        Raises:
          DataError: see `read_passages`; or a text is too long.
        """
        self._settings = settings
        self._passages = read_passages(settings)
        self._splits = self._passages.splits
        self._characters = vocabulary_of(self._passages, settings)
        self._sequences = self._encode()
        self._split_hash = split_hash(self._passages.names, self._splits)
        self.preparation = {"characters": self._characters.as_dict()}
        identity = f"{self._passages.digest} {json.dumps(self.preparation)}"
        self.digest = hashlib.sha256(identity.encode()).hexdigest()
        self.input_shape: tuple[int, ...] = (settings.length,)
        self.num_outputs = self._characters.number
        self.num_tokens: int | None = self._characters.number

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """Draw texts, by index.

        Returns:
          support_texts, query_texts: int32 [tasks, shots] and [tasks, queries], all different.
        Raises:
          DataError: the split has no task, or a task has fewer than shots + queries texts.
        """
        tasks = self._splits[draw.split]
        if not len(tasks):
            raise DataError(
                f"no task is left for the {draw.split} split: {self._settings.path} has "
                f"{len(self._passages.names)}; set task.{draw.split}_tasks"
            )
        self._passages.check_sizes(tasks, shots + queries)
        chosen = np.empty((hi - lo, shots + queries), np.int32)
        for row, task in enumerate(range(lo, hi)):
            rng = draw.generator(task)
            places = self._passages.places[tasks[rng.integers(len(tasks))]]
            chosen[row] = rng.choice(places, shots + queries, replace=False)
        return {"support_texts": chosen[:, :shots], "query_texts": chosen[:, shots:]}

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Make tokens int32 [tasks, texts, length]; targets likewise, -1 as padding."""
        support, query = (np.asarray(specs[name]) for name in ("support_texts", "query_texts"))
        inputs, targets = self._sequences
        return Episode(inputs[support], targets[support], inputs[query], targets[query])

    def showcase(self, specs: Specs) -> Specs:
        """Return the specs unchanged: the picture shows texts generated after adaptation."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """Name tasks by their groups of texts."""
        of_text = np.empty(len(self._passages.texts), np.int32)
        for task, places in enumerate(self._passages.places):
            of_text[places] = task
        return [self._passages.names[of_text[texts[0]]] for texts in specs["support_texts"]]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Return the texts themselves."""
        texts = [text for _, text in self._passages.texts]
        return [
            DisplayText([texts[i] for i in support], (), [texts[i] for i in query], ())
            for support, query in zip(specs["support_texts"], specs["query_texts"], strict=True)
        ]

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return the source of the texts, the split of tasks, and the unit that bits are per."""
        unit = self._settings.tokens.removesuffix("s")
        ends = f"; a text's end counts as a {unit}" if self._characters.ends else ""
        return {
            "tasks_from": Path(self._settings.path).name,
            "split_hash": self._split_hash,
            "groups": len(self._splits[split]),
            "examples": self._settings.texts,
            "tokens": f"{self._settings.tokens}, {self._characters.number} with end and unknown",
            "bits_per": f"{unit} of the queries that is not padding{ends}",
            "unknown_share": round(self._unknown_share(split), 6),
            "data_digest": self.digest,
        }

    def describe(self) -> dict[str, Any]:
        """Describe the table and its split."""
        sizes = [len(places) for places in self._passages.places]
        return {
            "source": self._settings.path,
            "texts": sum(sizes),
            "repeated_texts": self._passages.repeated,
            "tasks": len(sizes),
            "tasks_left_out": self._passages.left_out,
            "texts_per_task": [min(sizes), max(sizes)],
            **{f"{split}_tasks": len(self._splits[split]) for split in SPLITS},
            "split_hash": self._split_hash,
            "tokens": self._characters.number,
            "longest_text": max(len(text) for _, text in self._passages.texts),
        }

    def notes(self) -> list[str]:
        """Report repeated texts."""
        return self._passages.notes()

    def _encode(self) -> Sequences:
        texts = self._passages.texts
        named = dict(texts)
        assert len(named) == len(texts)
        return self._characters.encode(named, self._settings.long_texts == "cut")

    def _unknown_share(self, split: Split) -> float:
        """Compute the share of unknown tokens among those of a split's texts."""
        places = np.concatenate([self._passages.places[i] for i in self._splits[split]])
        targets = self._sequences.targets[places]
        return float((targets == 1).sum() / max(1, (targets >= 0).sum()))
