"""Drawing the pictures of a trained run's task family."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from orchestrator.adaptation.readers.reader import Reader
from orchestrator.adaptation.readers.registry import make_reader
from orchestrator.config.schema import MetaConfig
from orchestrator.config.score_unit import INNER_STEPS, Unit, unit_of
from orchestrator.outer.blocks import held_out_blocks
from orchestrator.pool.base import Pool
from orchestrator.reporting.drawing import drawing, png, written
from orchestrator.reporting.picture_files import ANIMATION, FOLDER, NO_ANIMATION, TASK
from orchestrator.reporting.pictures.film import Film, is_filmed, shoot
from orchestrator.reporting.pictures.lines import Line, as_json
from orchestrator.reporting.pictures.padding import without_padding
from orchestrator.reporting.pictures.registry import picture_of
from orchestrator.reporting.svg_element import svg
from orchestrator.storage.storage import Storage
from workers.losses.registry import loss_of
from workers.tasks.display_text import DisplayText
from workers.tasks.family import TaskFamily, raw_family
from workers.tasks.user_tasks import user_task_shapes
from workers.wire.protocol import Array, Block, Episode, Recipe, Weights

_NUM_TASKS = 3


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a run's test tasks.

    png: as many tasks as the family's picture shows at once.
    svgs: an SVG for each task.
    film: a film of the first task, if environments are filmed.
    texts: lines in place of svgs, for tasks that are shown by lines of text.
    """

    png: bytes
    svgs: Sequence[str]
    film: Film | None = None
    texts: Sequence[Sequence[Line]] = ()

    def write(self, storage: Storage) -> str:
        """Write the pictures into a run's folder, and return the name of the PNG."""
        for number, text in enumerate(self.svgs, start=1):
            storage.write(f"{FOLDER}/{TASK}{number}.svg", text.encode())
        for number, lines in enumerate(self.texts, start=1):
            storage.write(f"{FOLDER}/{TASK}{number}.json", as_json(lines))
        if self.film is not None:
            wanted = ANIMATION if self.film.webp else NO_ANIMATION
            storage.write(wanted, self.film.webp or self.film.missing.encode())
            other = NO_ANIMATION if self.film.webp else ANIMATION
            if storage.exists(other):
                storage.delete(other)
        storage.write("picture.png", self.png)
        return "picture.png"


def showcase_blocks(config: MetaConfig, family: TaskFamily, recipe: Recipe) -> list[Block]:
    """Build the blocks that predict the test tasks that are drawn."""
    return [
        Block(b.kind, b.step, b.index, b.lo, b.hi, family.showcase(b.specs), b.recipe)
        for b in held_out_blocks(config, family, "test", _NUM_TASKS, recipe, "predict")
    ]


def render(
    config: MetaConfig, family: TaskFamily, pool: Pool, weights: Weights, recipe: Recipe
) -> Pictures:
    """Draw the first test tasks, predicted before and after each inner step."""
    blocks = showcase_blocks(config, family, recipe)
    outputs = np.concatenate([c.metrics["outputs"] for c in pool.run(weights, blocks)])
    episodes = [raw_family(family).build(block.specs) for block in blocks]
    stacked = Episode(*(np.concatenate(arrays) for arrays in zip(*episodes, strict=True)))
    loss = loss_of(family)
    outputs = loss.predicted(outputs)
    if loss.targets == "numbers":
        reader = make_reader(config.task, user_task_shapes(family))
        outputs, stacked = reader.values(outputs), _in_own_units(stacked, reader)
    unit, last = unit_of(config), max(config.evaluation.inner_steps)
    steps = unit.shown(config.evaluation.inner_steps, last)[1:]
    words = [text for block in blocks for text in family.display_text(block.specs)]
    if prepare := getattr(picture_of(family.picture), "prepare", None):
        words = prepare(config, family, pool, weights, blocks, words)
    pictures = draw(family.picture, stacked, outputs, steps, config.name, words, unit)
    if not is_filmed(family, config):
        return pictures
    return replace(pictures, film=shoot(config, family, weights, recipe, blocks[0].specs))


@drawing()
def draw(
    picture: str,
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    name: str,
    words: Sequence[DisplayText] = (),
    unit: Unit = INNER_STEPS,
) -> Pictures:
    """Draw tasks by the family's picture.

    Args:
      outputs: the model's outputs [tasks, inner_steps + 1, queries, ...].
      inner_steps: the steps to draw.
      name: the run's name, above the PNG.
      words: the words of each task, if tasks have words.
      unit: what the steps are: episodes, for policies alone.
    """
    kind = picture_of(picture)
    named = {"unit": unit} if unit.first else {}
    single, texts = [], []
    for task in range(len(outputs)):
        episode, own = without_padding(episodes, outputs, range(task, task + 1))
        task_words = words[task : task + 1]
        if hasattr(kind, "lines"):
            texts.append(kind.lines(episode, own, inner_steps, task_words))
            continue
        figure = kind.draw(episode, own, inner_steps, "", task_words, **named)
        single.append(svg(figure, f"Test task {task + 1} before and after adaptation"))
    shown = range(getattr(kind, "NUM_TASKS", len(outputs)))
    episode, own = without_padding(episodes, outputs, shown)
    whole = png(kind.draw(episode, own, inner_steps, written(name), words, **named))
    return Pictures(whole, single, texts=texts)


def _in_own_units(episodes: Episode, reader: Reader) -> Episode:
    return Episode(
        reader.shown(episodes.support_inputs),
        reader.values(episodes.support_targets),
        reader.shown(episodes.query_inputs),
        reader.values(episodes.query_targets),
    )
