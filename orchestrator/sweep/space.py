"""Points of a search space, and whether a run could be made of each."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from orchestrator.config import schema as configuration
from orchestrator.config.schema import MetaConfig, Table
from orchestrator.sweep.dimension import Dimension, holds
from orchestrator.sweep.settings import SweepSettings

#: Dotted name -> value.
Point = dict[str, Any]
Space = Mapping[str, Dimension]

_TRIED_POINTS = 64


def configure(table: Table, point: Point) -> MetaConfig:
    """The run at a point. Raises ValueError as `schema.load` does."""
    return configuration.load(table, point)[0]


def active(space: Space, values: Point) -> Point:
    """Of a value for each dimension those whose conditions hold."""
    return {key: value for key, value in values.items() if holds(space[key].when, values)}


def points(sweep: SweepSettings) -> list[Point]:
    """What a searcher that does not learn tries: the grid, `samples` times the rest drawn anew.

    The same for the same seed; no point of a grid alone comes twice.
    """
    grids = {key: d.grid for key, d in sweep.space.items() if d.grid is not None}
    drawn = {key: d for key, d in sweep.space.items() if d.grid is None}
    rng = np.random.default_rng(sweep.seed)
    found: list[Point] = []
    for _ in range(sweep.samples if drawn else 1):
        for values in itertools.product(*grids.values()):
            point = dict(zip(grids, values, strict=True))
            point |= {key: dimension.draw(rng) for key, dimension in drawn.items()}
            point = active(sweep.space, {key: point[key] for key in sweep.space})
            if drawn or point not in found:
                found.append(point)
    return found


def check_space(sweep: SweepSettings, table: Table) -> None:
    """Refuse a space that holds a value which no run could have.

    Each value of each key is tried beside what the run has for the others, then beside values drawn
    for them; and the keys together at points drawn from the space.

    Raises:
      ValueError: names the key, the value and what is allowed.
    """
    configuration.load(table, {})
    rng = np.random.default_rng(sweep.seed)
    drawn_points = [
        {key: dimension.draw(rng) for key, dimension in sweep.space.items()}
        for _ in range(_TRIED_POINTS)
    ]
    for key, dimension in sweep.space.items():
        needed = {
            other: value[0] if isinstance(value, list | tuple) else value
            for other, value in dimension.when.items()
        }
        for value in dimension.extremes:
            fixed = needed | {key: value}
            refused = _refusal(table, fixed)
            if refused and all(
                _refusal(table, active(sweep.space, drawn | fixed)) for drawn in drawn_points
            ):
                raise ValueError(f"space.{key}: {refused}")
    for drawn in drawn_points:
        point = active(sweep.space, drawn)
        if refused := _refusal(table, point):
            raise ValueError(f"space: at {point}: {refused}")


def _refusal(table: Table, point: Point) -> str:
    """Why there is no run at a point; "" if there is."""
    try:
        configure(table, point)
    except ValueError as error:
        return str(error)
    return ""
