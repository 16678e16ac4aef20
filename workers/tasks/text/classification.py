"""N-way K-shot classification of short texts."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workers.losses.choice import choose_loss
from workers.settings.section import Size
from workers.settings.text_tasks import TextTask
from workers.tasks.display_text import DisplayText
from workers.tasks.sizes import (
    draw_rows,
    draw_ways,
    empty_rows,
    filled,
    least,
    marked,
    most,
    real,
)
from workers.tasks.splits import SPLITS, check_ways, choose_ways, split_hash
from workers.tasks.stored import with_inputs
from workers.tasks.text.texts import read_texts, split_texts
from workers.tasks.text.token_dropout import draw_seeds, leave_out
from workers.tasks.text.tokens import Tokens
from workers.wire.protocol import Array, Draw, Episode, Specs, Split


class TextFamily:
    """Classification tasks of `ways` classes of one split, and some texts of each class."""

    picture = "text_episode"
    shape_keys = "task.max_tokens"

    def __init__(self, settings: TextTask):
        """Read the table, split its classes, and build the vocabulary from the training classes.

        Raises:
          DataError: see `read_texts`; or a class or a split is too small, or a text too long.
        """
        self._settings = settings
        needed = least(settings.shots) + least(settings.queries)
        self._texts = read_texts(settings.path, settings, needed)
        self._splits = split_texts(self._texts, settings, settings.split_by)
        room = {split: len(self._splits[split]) for split in SPLITS}
        self._ways = choose_ways(settings.ways, room, needed=("train",))
        train = self._splits["train"]
        self._tokens = Tokens.of(self._texts.of_classes(), self._texts.of_classes(train), settings)
        self._ids = self._texts.encode(self._tokens, settings.long_texts == "cut")
        self._train_rank = np.full(len(self._texts.classes), -1, np.int32)
        self._train_rank[train] = np.arange(len(train))
        self._split_hash = split_hash(self._texts.classes, self._splits)
        identity = f"{self._texts.digest} {self._split_hash} {self._tokens.digest}"
        self.digest = hashlib.sha256(identity.encode()).hexdigest()
        self.preparation = {"tokens": self._tokens.as_dict()}
        self.num_tokens: int | None = self._tokens.number
        self.input_shape: tuple[int, ...] = (self._tokens.length,)
        chosen = choose_loss(settings, "classes", most(self._ways))
        self.loss, self.loss_settings, self.num_outputs = chosen
        self.num_train_classes: int | None = len(train)

    def sample(
        self, draw: Draw, lo: int, hi: int, shots: Size, queries: Size, ways: Size | None = None
    ) -> Specs:
        """Draw classes and rows, by index.

        Args:
          ways: classes of a task; None: as the settings say.
        Returns:
          classes: int32 [tasks, ways]. support_rows, query_rows: int32 [tasks, ways, shots] and
          [.., queries], different rows of the file; see `workers.tasks.sizes`. In training with
          task.token_dropout also token_seeds: int32 [tasks].
        Raises:
          DataError: a class has fewer than shots + queries texts, or the split has too few classes.
        """
        pool, ways = self._splits[draw.split], ways or self._ways
        check_ways(ways, draw.split, len(pool))
        self._texts.check_sizes(pool, least(shots) + least(queries), most(ways))
        classes = empty_rows(hi - lo, ways)
        support, query = (empty_rows(hi - lo, ways, size) for size in (shots, queries))
        for task in range(hi - lo):
            rng = draw.generator(lo + task)
            number = draw_ways(rng, ways)
            chosen = classes[task, :number] = rng.choice(pool, number, replace=False)
            parts = [self._texts.rows[index] for index in chosen]
            own, asked = draw_rows(rng, parts, shots, queries)
            support[task, :number] = own.reshape(number, -1)
            query[task, :number] = asked.reshape(number, -1)
        seeds = draw_seeds(draw, lo, hi, self._settings.token_dropout)
        return {"classes": classes, "support_rows": support, "query_rows": query, **seeds}

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Make token ids int32 [tasks, ways * (shots or queries), length], and targets int32."""
        episode = with_inputs(self.build_rows(specs, global_labels=global_labels), self.inputs_of)
        if "token_seeds" not in specs:
            return episode
        number, rate = episode.support_inputs.shape[1], self._settings.token_dropout
        for task, seed in enumerate(specs["token_seeds"]):
            whole = np.concatenate([episode.support_inputs[task], episode.query_inputs[task]])
            left = leave_out(whole, int(seed), rate)
            episode.support_inputs[task], episode.query_inputs[task] = left[:number], left[number:]
        return episode

    def build_rows(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """See `StoredFamily.build_rows`. A row is one of the file."""
        number = np.shape(specs["classes"])[1]
        labels = np.broadcast_to(np.arange(number, dtype=np.int32), np.shape(specs["classes"]))
        if global_labels:
            labels = self._train_rank[specs["classes"]]
            assert labels.min(initial=0) >= 0, "global labels are for tasks of the training split"
        support, query = (self._set(specs, f"{name}_rows", labels) for name in ("support", "query"))
        return Episode(*support, *query)

    @property
    def stored_rows(self) -> Array:
        """See `StoredFamily.stored_rows`: those of the classes."""
        return np.sort(np.concatenate(self._texts.rows)).astype(np.int64)

    @property
    def content_digest(self) -> str:
        """See `StoredFamily.content_digest`."""
        rows = self.stored_rows
        digest = hashlib.sha256(self.inputs_of(rows).tobytes())
        for row in rows:
            digest.update(self._texts.texts[int(row)].encode() + b"\x1f")
        return digest.hexdigest()

    def inputs_of(self, rows: Array) -> Array:
        """See `StoredFamily.inputs_of`: token ids int32 [*rows.shape, length]."""
        return self._ids[rows]

    def strings_of(self, rows: Array) -> Array:
        """Return the texts of rows, strings [rows], for a backbone that takes these."""
        return np.array([self._texts.texts[int(row)] for row in rows], object)

    def row_name(self, row: int) -> str:
        """See `StoredFamily.row_name`."""
        return f"row {row} of {self._texts.source}"

    def training_texts(self) -> list[str]:
        """Return the texts of the training classes."""
        return self._texts.of_classes(self._splits["train"])

    def showcase(self, specs: Specs) -> Specs:
        """Return the specs unchanged: the picture shows the measured queries."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """Name tasks by their classes."""
        names = self._texts.classes
        return [", ".join(names[index] for index in real(classes)) for classes in specs["classes"]]

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Return the texts, and the names of the classes."""
        tasks = []
        for classes, support, queries in zip(
            specs["classes"], specs["support_rows"], specs["query_rows"], strict=True
        ):
            names = [self._texts.classes[int(i)] for i in real(classes)]
            shots, questions = (
                [self._texts.texts[int(row)] for row in real(rows)] for rows in (support, queries)
            )
            options = [names] * len(shots), [names] * len(questions)
            tasks.append(DisplayText(shots, options[0], questions, options[1]))
        return tasks

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return the source of the texts, their split, and the model's tokens."""
        return {
            "tasks_from": Path(self._settings.path).name,
            "split_by": self._settings.split_by,
            "split_hash": self._split_hash,
            "classes": len(self._splits[split]),
            "tokens": self._settings.tokens,
            "data_digest": self._texts.digest,
        }

    def describe(self) -> dict[str, Any]:
        """Describe the table and its split."""
        return {
            **self._texts.describe(),
            **{f"{split}_classes": len(self._splits[split]) for split in SPLITS},
            "split_hash": self._split_hash,
            "vocabulary": len(self._tokens.vocabulary),
            "tokens_per_text": self._tokens.length,
        }

    def notes(self) -> list[str]:
        """Report repeated texts."""
        return self._texts.notes(self._splits)

    def _set(self, specs: Specs, name: str, labels: Array) -> tuple[Array, Array]:
        rows = np.asarray(specs[name])
        tasks, ways, number = rows.shape
        targets = np.repeat(labels, number, axis=1).astype(np.int32)
        flat = filled(rows).reshape(tasks, ways * number)
        return flat, marked(targets, rows.reshape(tasks, ways * number))
