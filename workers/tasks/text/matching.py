"""Semantic matching: which candidate means the same as a text, within a domain.

A task is some meanings (classes) of one domain. Its support set says of a few texts which of them
mean the same; the query asks of other texts which of the candidates, one for each meaning and none
of them in the support set, means the same.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.metrics import LossName
from workers.settings.text_tasks import MatchingTask
from workers.tasks.display_text import DisplayText
from workers.tasks.splits import SPLITS, USUAL_WAYS, split_hash
from workers.tasks.text.texts import Texts, read_texts, split_texts
from workers.tasks.text.tokens import Ids, Tokens
from workers.wire.errors import DataError
from workers.wire.protocol import Draw, Episode, Specs, Split


class MatchingFamily:
    """An example is a text and its candidates; its target is the place of the right one."""

    loss: LossName = "ranking"
    picture = "text_episode"

    def __init__(self, settings: MatchingTask):
        """Read the table or tables, split by domains, and build the vocabulary from training.

        Raises:
          DataError: see `read_texts`; or a domain or a split is too small, or a text too long.
        """
        self._settings = settings
        needed = settings.shots + settings.queries
        texts = read_texts(settings.path, settings, needed)
        splits = dict(split_texts(texts, settings, "domains"))
        tested, of_test = texts, splits["test"]
        if settings.test_path is not None:
            tested = read_texts(settings.test_path, settings, needed, trained=texts)
            of_test = np.arange(len(tested.classes), dtype=np.int32)
            splits["train"] = np.union1d(splits["train"], splits["test"])
            splits["test"] = of_test[:0]
        said = [*texts.of_classes(), *tested.of_classes(of_test)]
        self._tokens = Tokens.of(said, texts.of_classes(splits["train"]), settings)
        ids = self._encode(texts)
        self._of: dict[Split, _Pool] = {
            "train": _Pool(texts, ids, splits["train"]),
            "validation": _Pool(texts, ids, splits["validation"]),
            "test": _Pool(tested, ids if tested is texts else self._encode(tested), of_test),
        }
        self._splits = splits
        self._split_hash = split_hash(texts.classes, splits)
        self._ways = self._choose_candidates(settings.candidates)
        identity = " ".join(
            [
                *(self._of[split].texts.digest for split in SPLITS),
                self._split_hash,
                self._tokens.digest,
            ]
        )
        self.digest = hashlib.sha256(identity.encode()).hexdigest()
        self.preparation = {"tokens": self._tokens.as_dict()}
        self.num_tokens: int | None = self._tokens.number
        self.input_shape: tuple[int, ...] = (1 + self._ways, self._tokens.length)
        self.num_outputs = self._ways
        # A similarity knows no classes: joint training needs no head of its own.
        self.num_train_classes: int | None = None

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """Texts and their candidates by row.

        Returns:
          classes: int32 [tasks, candidates]. support_rows, query_rows: int32 [tasks, candidates *
          shots (or queries), 1 + candidates]: a text, then its candidates in random order, one of
          each class and never the text itself. support_places, query_places: int32 [tasks, ...]:
          of the right one.
        Raises:
          DataError: a class has fewer than shots + queries texts.
        """
        pool, ways = self._of[draw.split], self._ways
        pool.texts.check_sizes(pool.classes, shots + queries, ways)
        domains = pool.domains_with(ways)
        found: dict[str, list[NDArray[np.int32]]] = {
            name: []
            for name in ("classes", "support_rows", "support_places", "query_rows", "query_places")
        }
        for task in range(lo, hi):
            rng = draw.generator(task)
            classes = rng.choice(domains[rng.integers(len(domains))], ways, replace=False)
            rows = np.stack(
                [rng.choice(pool.texts.rows[c], shots + queries, replace=False) for c in classes]
            )
            found["classes"].append(classes)
            for name, part in (("support", rows[:, :shots]), ("query", rows[:, shots:])):
                examples, places = _with_candidates(rng, part)
                found[f"{name}_rows"].append(examples)
                found[f"{name}_places"].append(places)
        return {name: np.array(arrays, np.int32) for name, arrays in found.items()} | {
            "from_test": np.full(hi - lo, draw.split == "test")
        }

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Token ids int32 [tasks, examples, 1 + candidates, length], targets int32."""
        from_test = bool(np.all(specs["from_test"]))
        ids = self._of["test" if from_test else "train"].ids
        return Episode(
            ids[np.asarray(specs["support_rows"])],
            np.asarray(specs["support_places"]),
            ids[np.asarray(specs["query_rows"])],
            np.asarray(specs["query_places"]),
        )

    def training_texts(self) -> list[str]:
        """Those of the training domains."""
        pool = self._of["train"]
        return pool.texts.of_classes(pool.classes)

    def showcase(self, specs: Specs) -> Specs:
        """As they are: the picture shows the queries that are measured."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """By domain."""
        pools = (self._of["test" if test else "train"] for test in specs["from_test"])
        return [
            pool.texts.domains[classes[0]]
            for pool, classes in zip(pools, specs["classes"], strict=True)
        ]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """The texts, and their candidates."""
        found = []
        for task, from_test in enumerate(specs["from_test"]):
            texts = self._of["test" if from_test else "train"].texts.texts
            parts: list[Any] = []
            for name in ("support_rows", "query_rows"):
                said = [[texts[row] for row in rows] for rows in specs[name][task]]
                parts += [[each[0] for each in said], [each[1:] for each in said]]
            found.append(DisplayText(*parts))
        return found

    def protocol(self, split: Split) -> dict[str, Any]:
        """Where the texts are from, how domains are split, and what the model is given."""
        pool = self._of[split]
        return {
            "tasks_from": Path(pool.texts.source).name,
            "trained_on": Path(self._settings.path).name,
            "split_hash": self._split_hash,
            "domains": ", ".join(sorted(pool.domains)),
            "candidates": self._ways,
            "candidates_are": "other queries, one of each meaning of the task",
            "tokens": self._settings.tokens,
            "data_digest": pool.texts.digest,
            **({"seen_in_training": pool.texts.left_out} if pool.texts.left_out else {}),
        }

    def describe(self) -> dict[str, Any]:
        """What the table holds and how it is split."""
        return {
            **self._of["train"].texts.describe(),
            **{f"{split}_domains": sorted(self._of[split].domains) for split in SPLITS},
            "split_hash": self._split_hash,
            "vocabulary": len(self._tokens.vocabulary),
            "tokens_per_text": self._tokens.length,
        }

    def notes(self) -> list[str]:
        """Texts that are there more than once."""
        return self._of["train"].texts.notes(self._splits)

    def _encode(self, texts: Texts) -> Ids:
        return texts.encode(self._tokens, self._settings.long_texts == "cut")

    def _choose_candidates(self, asked: int | None) -> int:
        """`asked`, or the usual number where a domain of every split has so many classes."""
        most = {
            split: max((len(classes) for classes in self._of[split].domains.values()), default=0)
            for split in SPLITS
        }
        ways = max(2, min(USUAL_WAYS, *most.values())) if asked is None else asked
        for split in SPLITS:
            if ways > most[split]:
                raise DataError(
                    f"task.candidates = {ways}, but no domain of the {split} split of "
                    f"{self._of[split].texts.source} has more than {most[split]} classes; lower "
                    "task.candidates"
                )
        return ways


class _Pool:
    """The classes that a split draws from, by domain. ids: of all texts, int32 [rows, length]."""

    def __init__(self, texts: Texts, ids: Ids, classes: NDArray[np.int32]):
        self.texts, self.ids, self.classes = texts, ids, classes
        self.domains: dict[str, list[int]] = {}
        for each in classes:
            self.domains.setdefault(texts.domains[each], []).append(int(each))

    def domains_with(self, ways: int) -> list[list[int]]:
        """The classes of each domain that has so many, in order of names."""
        named = sorted(self.domains.items())
        return [classes for _, classes in named if len(classes) >= ways]


def _with_candidates(
    rng: np.random.Generator, rows: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Each text with one candidate of each class: int32 [ways * number, 1 + ways], and the places.

    Args:
      rows: int32 [ways, number], the texts of a set by class.
    """
    ways, number = rows.shape
    examples = np.empty((ways * number, 1 + ways), np.int32)
    places = np.empty(ways * number, np.int32)
    for way in range(ways):
        for place in range(number):
            example = way * number + place
            chosen = np.asarray(rng.integers(number, size=ways))
            # Of its own class another text: one of the others, all alike.
            chosen[way] = (place + 1 + rng.integers(number - 1)) % number
            order = rng.permutation(ways)
            examples[example, 0] = rows[way, place]
            examples[example, 1:] = rows[order, chosen[order]]
            places[example] = np.flatnonzero(order == way)[0]
    return examples, places
