"""The blocks into which the tasks of a step or an evaluation are cut."""

from collections.abc import Iterator

import numpy as np

from orchestrator.config.schema import MetaConfig
from workers.inner.batches import draw_batches
from workers.settings.section import Size
from workers.tasks.family import TaskFamily, support_examples
from workers.wire.protocol import Array, Block, Draw, Kind, Recipe, Specs, Split, take


def train_blocks(config: MetaConfig, family: TaskFamily, step: int) -> list[Block]:
    """Build the blocks of outer step `step`, which counts from 0."""
    algorithm, task = config.algorithm, config.task
    draw = Draw(config.seed, "train", step)
    num_tasks = config.outer.meta_batch_size
    specs = dict(family.sample(draw, 0, num_tasks, task.shots, task.queries))
    inner_batch = getattr(algorithm, "inner_batch", None)
    if inner_batch is not None:
        assert isinstance(task.shots, int), "the configuration refuses batches of a range"
        examples = support_examples(family, task.shots, task.queries)
        inner_steps = getattr(algorithm, "inner_steps", 1)
        specs["batches"] = draw_batches(draw, 0, num_tasks, examples, inner_steps, inner_batch)
    specs |= _seeds(config, draw, num_tasks)
    phase = sum(at <= step for at in algorithm.changes_at)
    return list(_cut("train", step, specs, num_tasks, config.block_size, None, phase))


def example_blocks(config: MetaConfig, family: TaskFamily) -> list[Block]:
    """Build a training block of each size, for actors to compile before they are ready."""
    blocks = train_blocks(config, family, 0)
    return list({block.hi - block.lo: block for block in blocks}.values())


def held_out_blocks(
    config: MetaConfig,
    family: TaskFamily,
    split: Split,
    num_tasks: int,
    recipe: Recipe,
    kind: Kind = "evaluate",
    sizes: tuple[int | None, Size, Size] | None = None,
) -> list[Block]:
    """Build the blocks of held-out tasks.

    The tasks follow from evaluation.seed alone: they are the same for every method and step.

    Args:
      sizes: ways, shots and queries; None, or None for the ways: those of the main evaluation.
    """
    evaluation = config.evaluation
    ways, shots, queries = sizes or (None, *held_out_sizes(config))
    draw = Draw(evaluation.seed, split, 0)
    ways = ways or evaluation.num_ways
    own = {} if ways is None else {"ways": ways}
    specs = dict(family.sample(draw, 0, num_tasks, shots, queries, **own))
    if evaluation.inner_batch is not None:
        assert isinstance(shots, int), "the configuration refuses batches of a range"
        examples = support_examples(family, shots, queries)
        specs["batches"] = draw_batches(
            draw, 0, num_tasks, examples, recipe.inner_steps, evaluation.inner_batch
        )
    specs |= _seeds(config, draw, num_tasks)
    return list(_cut(kind, 0, specs, num_tasks, config.block_size, recipe))


def held_out_sizes(config: MetaConfig) -> tuple[Size, Size]:
    """Return the shots and queries of held-out tasks: a number each, or a range."""
    evaluation, task = config.evaluation, config.task
    return evaluation.size or task.shots, evaluation.queries or task.queries


def _seeds(config: MetaConfig, draw: Draw, num_tasks: int) -> dict[str, Array]:
    """Draw seeds, int32 [tasks, 2], for the random layers that a user's model may have."""
    if not config.model.is_users:
        return {}
    rng = draw.generator(stream="layers")
    return {"seeds": rng.integers(2**31 - 1, size=(num_tasks, 2), dtype=np.int32)}


def _cut(
    kind: Kind,
    step: int,
    specs: Specs,
    num_tasks: int,
    block_size: int,
    recipe: Recipe | None,
    phase: int = 0,
) -> Iterator[Block]:
    for index, lo in enumerate(range(0, num_tasks, block_size)):
        hi = min(lo + block_size, num_tasks)
        some = take(specs, lo, hi)
        yield Block(kind, step, index, lo, hi, some, recipe, phase=phase)
