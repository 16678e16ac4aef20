"""Test scores by ways and shots: the same weights on tasks of each size that is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.config.schema import MetaConfig
from orchestrator.evaluate import metric_names, score_tasks, summarize
from orchestrator.outer.blocks import held_out_blocks, held_out_sizes
from orchestrator.pool.base import Pool
from workers.settings.section import Size
from workers.tasks.family import TaskFamily
from workers.tasks.sizes import described
from workers.wire.protocol import Block, Recipe, Weights


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the table.

    ways: classes of a task; None: as in the main evaluation.
    shots, queries: numbers, or ranges that each task draws from.
    """

    ways: int | None
    shots: Size
    queries: Size


def cells(config: MetaConfig) -> list[Cell]:
    """List the cells of the table, by ways and then by shots; [] if none is asked for."""
    evaluation = config.evaluation
    if not (evaluation.listed_ways or evaluation.listed_shots):
        return []
    shots, queries = held_out_sizes(config)
    return [
        Cell(ways, each, queries)
        for ways in evaluation.listed_ways or (None,)
        for each in evaluation.listed_shots or (shots,)
    ]


def check_cells(config: MetaConfig, family: TaskFamily) -> None:
    """Raise DataError if the test split has no tasks of a size that is asked for."""
    for cell in cells(config):
        _blocks(config, family, cell, 0, Recipe(1.0, 1))


def scores_by_size(
    config: MetaConfig, family: TaskFamily, pool: Pool, weights: Weights, recipe: Recipe
) -> list[dict[str, Any]]:
    """Score test tasks of each size.

    Args:
      recipe: with the inner steps after which tasks are scored.
    Returns:
      for each cell {"ways", "shots", "tasks"} and each metric with its 95 % interval over tasks;
      ways are left out where they are those of the main evaluation.
    """
    return list(_rows(config, family, pool, weights, recipe))


def _rows(
    config: MetaConfig, family: TaskFamily, pool: Pool, weights: Weights, recipe: Recipe
) -> Iterator[dict[str, Any]]:
    number, names = config.evaluation.table_tasks, metric_names(family)
    for cell in cells(config):
        blocks = _blocks(config, family, cell, number, recipe)
        scores = summarize(score_tasks(pool, weights, blocks))[-1]
        yield {
            **({} if cell.ways is None else {"ways": cell.ways}),
            "shots": described(cell.shots),
            "tasks": number,
            **{key: scores[key] for name in names for key in (name, f"{name}_ci95")},
        }


def _blocks(
    config: MetaConfig, family: TaskFamily, cell: Cell, number: int, recipe: Recipe
) -> list[Block]:
    """Build the blocks of the first test tasks of a size."""
    ranges = (isinstance(size, tuple) for size in (cell.shots, cell.queries))
    ways = cell.ways or config.evaluation.num_ways
    has_range = ways is None and isinstance(getattr(config.task, "ways", None), tuple)
    own = replace(recipe, ways=ways, padded=any(ranges) or has_range)
    sizes = cell.ways, cell.shots, cell.queries
    return held_out_blocks(config, family, "test", number, own, sizes=sizes)
