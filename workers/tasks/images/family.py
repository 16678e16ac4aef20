"""N-way K-shot classification of images (Vinyals et al. 2016, arXiv:1606.04080)."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.losses.choice import choose_loss
from workers.settings.images_task import ImagesTask
from workers.settings.section import Size
from workers.tasks.display_text import DisplayText
from workers.tasks.images.data_sets.class_splits import split_classes
from workers.tasks.images.data_sets.domains import Domains
from workers.tasks.images.data_sets.paths import find_data_sets
from workers.tasks.images.data_sets.pools import Pools
from workers.tasks.images.data_sets.report import described, published, published_notes, sources
from workers.tasks.images.image_cache import Progress, open_cache
from workers.tasks.images.image_classes import ImageClasses
from workers.tasks.images.image_draw import ImageDraw
from workers.tasks.images.image_report import describe_source as describe_source
from workers.tasks.images.image_report import notes_of_source
from workers.tasks.leaving_out import or_left_out
from workers.tasks.sizes import (
    filled,
    filled_classes,
    least,
    marked,
    most,
    most_ways,
    needs,
    real,
)
from workers.tasks.splits import SPLITS, Splits, split_hash
from workers.tasks.stored import with_inputs
from workers.wire.errors import DataError
from workers.wire.protocol import Array, Draw, Episode, Specs, Split


class ImagesFamily:
    """Classification tasks of `ways` classes of one split, and some images of each class.

    In a rotated split, a class is a pair of a base class and 0 to 3 quarter turns. A task never
    holds the same pair twice, but may hold one base class under two rotations.
    """

    picture = "image_episode"
    shape_keys = "task.image_size and task.channels"

    def __init__(self, settings: ImagesTask, progress: Progress | None = None):
        self._settings = settings
        self.preparation: dict[str, Any] = {}
        sets = find_data_sets(settings)
        self._files = [file for one in sets for file in one.files]
        self._images = open_cache(self._files, settings, progress, sets)
        self._classes = ImageClasses(self._images)
        self._domains = Domains(sets, self._images.class_names)
        self._splits = self._split()
        self._split_hash = split_hash(self._images.class_names, self._splits)
        turns = {split: self._num_turns(split) for split in SPLITS}
        self._pools = Pools(self._domains, self._splits, turns, settings.domain_weights)
        self._ways = self._pools.choose_ways(settings.ways)
        self._draws = ImageDraw(self._classes, self._splits, self._pools)
        self._check_examples(SPLITS, settings.shots, settings.queries)

        train = self._splits["train"]
        self._train_rank = np.full(len(self._classes), -1, np.int32)
        self._train_rank[train] = np.arange(len(train))
        identity = " ".join([self._images.digest, self._split_hash, *self._domains.order])
        self.digest = hashlib.sha256(identity.encode()).hexdigest()
        self.input_shape: tuple[int, ...] = self._images.pixels.shape[1:]
        chosen = choose_loss(settings, "classes", most(self._ways))
        self.loss, self.loss_settings, self.num_outputs = chosen
        self.num_train_classes: int | None = len(train) * self._num_turns("train")
        self.num_tokens: int | None = None

    def sample(
        self, draw: Draw, lo: int, hi: int, shots: Size, queries: Size, ways: Size | None = None
    ) -> Specs:
        """Draw classes and images, by index.

        Args:
          ways: classes of a task; None: as the settings say.
        Returns:
          see `ImageDraw.sample`.
        Raises:
          DataError: a class has fewer than shots + queries different images, or the split has too
            few classes.
        """
        self._check_examples([draw.split], shots, queries)
        return self._draws.sample(draw, lo, hi, (ways or self._ways, shots, queries))

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Make pixels float32 in [0, 1] and targets int32, class by class.

        Args:
          global_labels: targets are indices of (base class, turn) among the training classes,
            0 .. num_train_classes - 1, instead of positions in the task.
        Returns:
          Inputs [tasks, ways * shots or ways * queries, H, W, C]; targets likewise, without
          H, W, C.
        """
        return with_inputs(self.build_rows(specs, global_labels=global_labels), self.inputs_of)

    def build_rows(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """See `StoredFamily.build_rows`. A row is an image under a turn, turn by turn."""
        number = np.shape(specs["classes"])[1]
        labels = np.broadcast_to(np.arange(number, dtype=np.int32), np.shape(specs["classes"]))
        if global_labels:
            ranks = self._train_rank[specs["classes"]]
            assert ranks.min(initial=0) >= 0, "global labels are for tasks of the training split"
            labels = ranks * np.int32(self._num_turns("train")) + specs["turns"]
        support = self._set(specs, "support_examples", labels)
        return Episode(*support, *self._set(specs, "query_examples", labels))

    @property
    def stored_rows(self) -> Array:
        """See `StoredFamily.stored_rows`: all images, under all turns of any split."""
        turns = max(self._num_turns(split) for split in SPLITS)
        return np.arange(turns * len(self._images.pixels))

    @property
    def content_digest(self) -> str:
        """See `StoredFamily.content_digest`."""
        return self._images.digest

    def inputs_of(self, rows: Array) -> Array:
        """See `StoredFamily.inputs_of`: pixels float32 in [0, 1], [*rows.shape, H, W, C]."""
        turns, images = np.divmod(rows, len(self._images.pixels))
        pixels = self._images.pixels[images]
        for turn in range(1, 4):
            turned = turns == turn
            if turned.any():
                pixels[turned] = np.rot90(pixels[turned], turn, axes=(1, 2))
        return pixels / np.float32(255)

    def row_name(self, row: int) -> str:
        """See `StoredFamily.row_name`."""
        turn, image = divmod(row, len(self._images.pixels))
        index = int(np.searchsorted(self._images.offsets, image, "right")) - 1
        turned = f", turned by {90 * turn}°" if turn else ""
        place = image - int(self._images.offsets[index]) + 1
        return f"image {place} of the class {self._images.class_names[index]!r}{turned}"

    def showcase(self, specs: Specs) -> Specs:
        """Return the specs unchanged: the picture shows the measured queries."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """Name tasks by their classes, with the rotation of their images, and by their data set."""
        of = (f"{name}: " if name else "" for name in self.domains(specs))
        named = self._domains.own_name
        return [
            name
            + ", ".join(
                f"{named(index)}, turned by {90 * int(turn)}°" if turn else named(index)
                for index, turn in zip(real(classes), turns, strict=False)
            )
            for name, classes, turns in zip(of, specs["classes"], specs["turns"], strict=True)
        ]

    def domains(self, specs: Specs) -> list[str]:
        """Name the data set of each task; "" where tasks mix the classes of all."""
        of_class, names = self._domains.of_class, self._domains.names
        return [names[of_class[classes[0]]] for classes in specs["classes"]]

    def held_out_ways(self, split: Split, ways: Size) -> list[Size]:
        """Return the classes of tasks of each data set, of which tasks are in turn."""
        return [self._pools.ways_of(pool, ways) for pool in self._pools.of_split[split]]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Return (): the tasks have no text."""
        return ()

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return the source of the classes, their split, and their number."""
        return {
            "tasks_from": " + ".join(file.name for file in self._files),
            **sources(self._settings, self._domains, self._pools, split),
            "split_hash": self._split_hash,
            **published(self._domains, self._splits),
            "classes": len(self._splits[split]),
            "rotated": self._num_turns(split) > 1,
            "data_digest": self._images.digest,
        }

    def describe(self) -> dict[str, Any]:
        """Describe the source and its split."""
        return {
            **describe_source(self._files, self._images),
            **described(self._domains, self._splits, self._classes.counts),
            **{f"{split}_classes": len(self._splits[split]) for split in SPLITS},
            "split_hash": self._split_hash,
            **published(self._domains, self._splits),
        }

    def notes(self) -> list[str]:
        """Report skipped files, classes that are left out, and repeated images."""
        used = {int(index) for split in SPLITS for index in self._splits[split]}
        needed = least(self._settings.shots) + least(self._settings.queries)
        small = [i for i in self._classes.small(needed) if i not in used]
        left_out = []
        if small:
            left_out.append(
                f"{self._classes.summary(small)} with fewer than {needed} different images: left "
                "out (task.small_classes)"
            )
        return [
            *notes_of_source(self._files, self._classes, self._splits),
            *left_out,
            *published_notes(self._domains, self._splits, self._classes.counts),
        ]

    def _split(self) -> Splits:
        """Split the classes by name; leave small ones out if the settings say so."""
        names, settings = self._images.class_names, self._settings
        kept = np.arange(len(names), dtype=np.int32)
        if settings.small_classes == "leave_out":
            small = self._classes.small(least(settings.shots) + least(settings.queries))
            kept = np.setdiff1d(kept, small)
        return split_classes(names, settings, self._domains, kept, self._least_classes())

    def _set(self, specs: Specs, examples: str, labels: Array) -> tuple[Array, Array]:
        """Make rows and targets, both [tasks, ways * examples]."""
        classes, turns, places = filled_classes(specs["classes"]), specs["turns"], specs[examples]
        firsts = self._images.offsets[classes] + len(self._images.pixels) * turns.astype(np.int64)
        tasks, ways, number = places.shape
        shape = tasks, ways * number
        rows = (firsts[..., None] + filled(places)).reshape(shape)
        return rows, marked(np.repeat(labels, number, axis=1), places.reshape(shape))

    def _num_turns(self, split: Split) -> int:
        rotations = self._settings.rotations
        return 4 if rotations == "all" or rotations == split else 1

    def _least_classes(self) -> tuple[int, int, int]:
        """Return the number of base classes that a task of each split needs."""
        ways = self._settings.ways
        needed = least(ways) if ways and self._domains.are_apart else most_ways(ways)
        train, validation, test = (-(-needed // self._num_turns(split)) for split in SPLITS)
        return train, validation, test

    def _check_examples(self, splits: Sequence[Split], shots: Size, queries: Size) -> None:
        used = np.concatenate([self._splits[split] for split in splits])
        needed = least(shots) + least(queries)
        small = [i for i in self._classes.small(needed) if i in used]
        if not small:
            return
        left = len(self._images.class_names) - len(self._classes.small(needed))
        remedy = or_left_out(left, sum(self._least_classes()), "task.small_classes")
        if self._settings.small_classes == "leave_out":  # classes too small for training are gone
            remedy = ", or evaluation.shots or evaluation.queries"
        raise DataError(
            f"{needs(shots, queries)} need {needed} images of a class; "
            f"{self._classes.summary(small)} with fewer different ones; lower task.shots "
            f"or task.queries{remedy}"
        )
