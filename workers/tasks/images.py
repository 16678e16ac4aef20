"""N-way K-shot classification of images (Vinyals et al. 2016, arXiv:1606.04080)."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.errors import DataError
from workers.protocol import Array, Draw, Episode, Specs, Split
from workers.scores import LossName
from workers.settings.tasks import ImagesTask
from workers.tasks.image_cache import ImageCache, Progress, open_cache
from workers.tasks.image_sources import find_files
from workers.tasks.splits import SPLITS, choose_ways, split_hash, split_names
from workers.tasks.words import Words


class ImagesFamily:
    """A task is `ways` classes of one split, and some images of each.

    In a split that is rotated, a class is a pair of a base class and 0 to 3 quarter turns. A task
    never holds the same pair twice, but may hold one base class under two rotations.
    """

    loss: LossName = "cross_entropy"
    picture = "image_episode"

    def __init__(self, settings: ImagesTask, progress: Progress | None = None):
        self._settings = settings
        self.preparation: dict[str, Any] = {}
        self._files = find_files(settings.path)
        self._images = open_cache(self._files, settings, progress)
        self._counts = np.diff(self._images.offsets)
        self._splits = split_names(self._images.class_names, settings)
        self._split_hash = split_hash(self._images.class_names, self._splits)
        most = {split: len(self._splits[split]) * self._num_turns(split) for split in SPLITS}
        self._ways = choose_ways(settings.ways, most)
        for split in SPLITS:
            self._check_examples(split, settings.shots, settings.queries)

        train = self._splits["train"]
        self._train_rank = np.full(len(self._counts), -1, np.int32)
        self._train_rank[train] = np.arange(len(train))
        identity = f"{self._images.digest} {self._split_hash}"
        self.digest = hashlib.sha256(identity.encode()).hexdigest()
        self.input_shape: tuple[int, ...] = self._images.pixels.shape[1:]
        self.num_outputs = self._ways
        self.num_train_classes: int | None = len(train) * self._num_turns("train")
        self.num_tokens: int | None = None

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """Classes and images by index.

        Returns:
          classes: int32 [tasks, ways], indices of base classes. turns: int8 [tasks, ways],
          quarter turns, counter-clockwise. support_examples, query_examples: int32 [tasks, ways,
          shots] and [.., queries], indices within the class, all different.
        Raises:
          DataError: a class has fewer than shots + queries images.
        """
        self._check_examples(draw.split, shots, queries)
        pool, num_turns = self._splits[draw.split], self._num_turns(draw.split)
        ways = self._ways
        classes = np.empty((hi - lo, ways), np.int32)
        turns = np.empty((hi - lo, ways), np.int8)
        examples = np.empty((hi - lo, ways, shots + queries), np.int32)
        for task in range(hi - lo):
            rng = draw.generator(lo + task)
            pairs = rng.choice(len(pool) * num_turns, ways, replace=False)
            classes[task] = pool[pairs // num_turns]
            turns[task] = pairs % num_turns
            for way, count in enumerate(self._counts[classes[task]]):
                examples[task, way] = rng.choice(count, shots + queries, replace=False)
        return {
            "classes": classes,
            "turns": turns,
            "support_examples": examples[..., :shots],
            "query_examples": examples[..., shots:],
        }

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Pixels float32 in [0, 1] and targets int32, class by class.

        Args:
          global_labels: targets are indices of (base class, turn) among the training classes,
            0 .. num_train_classes - 1, instead of positions in the task.
        Returns:
          Inputs [tasks, ways * shots or ways * queries, H, W, C]; targets likewise, without
          H, W, C.
        """
        labels = np.broadcast_to(np.arange(self._ways, dtype=np.int32), np.shape(specs["classes"]))
        if global_labels:
            ranks = self._train_rank[specs["classes"]]
            assert ranks.min(initial=0) >= 0, "global labels are for tasks of the training split"
            labels = ranks * np.int32(self._num_turns("train")) + specs["turns"]
        support_x, support_y = self._set(specs, "support_examples", labels)
        query_x, query_y = self._set(specs, "query_examples", labels)
        return Episode(support_x, support_y, query_x, query_y)

    def showcase(self, specs: Specs) -> Specs:
        """As they are: the picture shows the queries that are measured."""
        return specs

    def words(self, specs: Specs) -> Sequence[Words]:
        """Numbers say it all."""
        return ()

    def protocol(self, split: Split) -> dict[str, Any]:
        """Where the classes are from, how they are split, and how many there are."""
        return {
            "tasks_from": " + ".join(file.name for file in self._files),
            "split_hash": self._split_hash,
            "classes": len(self._splits[split]),
            "rotated": self._num_turns(split) > 1,
            "data_digest": self._images.digest,
        }

    def describe(self) -> dict[str, Any]:
        """What the source holds and how it is split."""
        return {
            **describe_source(self._files, self._images),
            **{f"{split}_classes": len(self._splits[split]) for split in SPLITS},
            "split_hash": self._split_hash,
        }

    def _set(self, specs: Specs, examples: str, labels: Array) -> tuple[Array, Array]:
        """Inputs [tasks, ways * examples, H, W, C] and targets [tasks, ways * examples]."""
        classes, turns, chosen = specs["classes"], specs["turns"], specs[examples]
        pixels = self._images.pixels[self._images.offsets[classes][..., None] + chosen]
        for turn in range(1, 4):
            turned = turns == turn
            if turned.any():
                pixels[turned] = np.rot90(pixels[turned], turn, axes=(2, 3))
        tasks, ways, number = chosen.shape
        inputs = pixels.reshape(tasks, ways * number, *self.input_shape) / np.float32(255)
        return inputs, np.repeat(labels, number, axis=1)

    def _num_turns(self, split: Split) -> int:
        rotations = self._settings.rotations
        return 4 if rotations == "all" or rotations == split else 1

    def _check_examples(self, split: Split, shots: int, queries: int) -> None:
        classes: NDArray[np.int32] = self._splits[split]
        smallest = classes[self._counts[classes].argmin()]
        if shots + queries > self._counts[smallest]:
            raise DataError(
                f"shots = {shots} and queries = {queries} need {shots + queries} images of a "
                f"class, but {self._images.class_names[smallest]!r} ({split}) has "
                f"{self._counts[smallest]}; lower task.shots or task.queries"
            )


def describe_source(files: Sequence[Path], images: ImageCache) -> dict[str, Any]:
    """What is in a source, whatever tasks are made of it."""
    counts = np.diff(images.offsets)
    _, height, width, channels = images.pixels.shape
    return {
        "source": [str(file) for file in files],
        "images": len(images.pixels),
        "classes": len(images.class_names),
        "examples_per_class": [int(counts.min()), int(counts.max())],
        "stored_as": f"{height} x {width} x {channels}, uint8",
        "pixel_mean": float(images.pixels.mean() / 255),
        "digest": images.digest,
        "cache": f"{images.file}, {images.file.stat().st_size / 1e6:.1f} MB",
    }
