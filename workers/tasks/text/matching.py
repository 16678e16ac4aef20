"""Semantic matching: find the candidate that means the same as a text, within a domain.

A task is some meanings (classes) of one domain. The support set shows which of a few texts mean
the same. For each query, another text, the model picks the candidate with the same meaning: there
is one candidate for each meaning, and none of them is in the support set.
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
    """Matching tasks: an example is a text and its candidates, its target the right one's place."""

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
        test_texts, test_classes = texts, splits["test"]
        if settings.test_path is not None:
            test_texts = read_texts(settings.test_path, settings, needed, trained=texts)
            test_classes = np.arange(len(test_texts.classes), dtype=np.int32)
            splits["train"] = np.union1d(splits["train"], splits["test"])
            splits["test"] = test_classes[:0]
        all_texts = [*texts.of_classes(), *test_texts.of_classes(test_classes)]
        self._tokens = Tokens.of(all_texts, texts.of_classes(splits["train"]), settings)
        ids = self._encode(texts)
        test_ids = ids if test_texts is texts else self._encode(test_texts)
        self._pools: dict[Split, _Pool] = {
            "train": _Pool(texts, ids, splits["train"]),
            "validation": _Pool(texts, ids, splits["validation"]),
            "test": _Pool(test_texts, test_ids, test_classes),
        }
        self._splits = splits
        self._split_hash = split_hash(texts.classes, splits)
        self._ways = self._choose_candidates(settings.candidates)
        identity = " ".join(
            [
                *(self._pools[split].texts.digest for split in SPLITS),
                self._split_hash,
                self._tokens.digest,
            ]
        )
        self.digest = hashlib.sha256(identity.encode()).hexdigest()
        self.preparation = {"tokens": self._tokens.as_dict()}
        self.num_tokens: int | None = self._tokens.number
        self.input_shape: tuple[int, ...] = (1 + self._ways, self._tokens.length)
        self.num_outputs = self._ways
        # A similarity has no class outputs: joint training needs no head of its own.
        self.num_train_classes: int | None = None

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """Draw texts and their candidates, by row.

        Returns:
          classes: int32 [tasks, candidates]. support_rows, query_rows: int32 [tasks, candidates *
          shots (or queries), 1 + candidates]: a text, then its candidates in random order, one of
          each class and never the text itself. support_places, query_places: int32 [tasks, ...]:
          the place of the right candidate. from_test: bool [tasks].
        Raises:
          DataError: a class has fewer than shots + queries texts.
        """
        pool, ways = self._pools[draw.split], self._ways
        pool.texts.check_sizes(pool.classes, shots + queries, ways)
        domains = pool.domains_with(ways)
        specs: dict[str, list[NDArray[np.int32]]] = {
            name: []
            for name in ("classes", "support_rows", "support_places", "query_rows", "query_places")
        }
        for task in range(lo, hi):
            rng = draw.generator(task)
            classes = rng.choice(domains[rng.integers(len(domains))], ways, replace=False)
            rows = np.stack(
                [rng.choice(pool.texts.rows[c], shots + queries, replace=False) for c in classes]
            )
            specs["classes"].append(classes)
            for name, part in (("support", rows[:, :shots]), ("query", rows[:, shots:])):
                examples, places = _with_candidates(rng, part)
                specs[f"{name}_rows"].append(examples)
                specs[f"{name}_places"].append(places)
        return {name: np.array(arrays, np.int32) for name, arrays in specs.items()} | {
            "from_test": np.full(hi - lo, draw.split == "test")
        }

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Make token ids int32 [tasks, examples, 1 + candidates, length], and targets int32."""
        from_test = bool(np.all(specs["from_test"]))
        ids = self._pools["test" if from_test else "train"].ids
        return Episode(
            ids[np.asarray(specs["support_rows"])],
            np.asarray(specs["support_places"]),
            ids[np.asarray(specs["query_rows"])],
            np.asarray(specs["query_places"]),
        )

    def training_texts(self) -> list[str]:
        """Return the texts of the training domains."""
        pool = self._pools["train"]
        return pool.texts.of_classes(pool.classes)

    def showcase(self, specs: Specs) -> Specs:
        """Return the specs unchanged: the picture shows the measured queries."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """Name tasks by their domains."""
        pools = (self._pools["test" if test else "train"] for test in specs["from_test"])
        return [
            pool.texts.domains[classes[0]]
            for pool, classes in zip(pools, specs["classes"], strict=True)
        ]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Return the texts and their candidates."""
        tasks = []
        for task, from_test in enumerate(specs["from_test"]):
            texts = self._pools["test" if from_test else "train"].texts.texts
            parts: list[Any] = []
            for name in ("support_rows", "query_rows"):
                examples = [[texts[row] for row in rows] for rows in specs[name][task]]
                parts += [[text for text, *_ in examples], [options for _, *options in examples]]
            tasks.append(DisplayText(*parts))
        return tasks

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return the source of the texts, the split of domains, and the model's tokens."""
        pool = self._pools[split]
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
        """Describe the table and its split."""
        return {
            **self._pools["train"].texts.describe(),
            **{f"{split}_domains": sorted(self._pools[split].domains) for split in SPLITS},
            "split_hash": self._split_hash,
            "vocabulary": len(self._tokens.vocabulary),
            "tokens_per_text": self._tokens.length,
        }

    def notes(self) -> list[str]:
        """Report repeated texts."""
        return self._pools["train"].texts.notes(self._splits)

    def _encode(self, texts: Texts) -> Ids:
        return texts.encode(self._tokens, self._settings.long_texts == "cut")

    def _choose_candidates(self, requested: int | None) -> int:
        """Choose the number of candidates: `requested`, or at most 5 that every split allows."""
        most = {
            split: max((len(classes) for classes in self._pools[split].domains.values()), default=0)
            for split in SPLITS
        }
        ways = max(2, min(USUAL_WAYS, *most.values())) if requested is None else requested
        for split in SPLITS:
            if ways > most[split]:
                raise DataError(
                    f"task.candidates = {ways}, but no domain of the {split} split of "
                    f"{self._pools[split].texts.source} has more than {most[split]} classes; lower "
                    "task.candidates"
                )
        return ways


class _Pool:
    """The classes that a split draws from, by domain.

    texts: of the file.
    ids: token ids of all texts, int32 [rows, length].
    classes: of the split.
    domains: domain -> its classes.
    """

    def __init__(self, texts: Texts, ids: Ids, classes: NDArray[np.int32]):
        self.texts, self.ids, self.classes = texts, ids, classes
        self.domains: dict[str, list[int]] = {}
        for index in classes:
            self.domains.setdefault(texts.domains[index], []).append(int(index))

    def domains_with(self, ways: int) -> list[list[int]]:
        """Return the classes of each domain with `ways` or more, by the domain's name."""
        named = sorted(self.domains.items())
        return [classes for _, classes in named if len(classes) >= ways]


def _with_candidates(
    rng: np.random.Generator, rows: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Give each text one candidate of each class, in random order.

    Args:
      rows: int32 [ways, number], the texts of a set by class.
    Returns:
      examples int32 [ways * number, 1 + ways], and the places of the right ones.
    """
    ways, number = rows.shape
    examples = np.empty((ways * number, 1 + ways), np.int32)
    places = np.empty(ways * number, np.int32)
    for way in range(ways):
        for place in range(number):
            example = way * number + place
            chosen = np.asarray(rng.integers(number, size=ways))
            # The candidate of its own class is another text, uniform among the others.
            chosen[way] = (place + 1 + rng.integers(number - 1)) % number
            order = rng.permutation(ways)
            examples[example, 0] = rows[way, place]
            examples[example, 1:] = rows[order, chosen[order]]
            places[example] = np.flatnonzero(order == way)[0]
    return examples, places
