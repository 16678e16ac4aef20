"""The points of a search space, and the check that each gives a valid run."""

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
    """Return the configuration of the run at a point.

    Raises:
      ValueError: see `schema.load`.
    """
    return configuration.load(table, point)[0]


def active(space: Space, values: Point) -> Point:
    """Return those values whose conditions hold, given a value for each dimension."""
    return {key: value for key, value in values.items() if holds(space[key].when, values)}


def points(sweep: SweepSettings) -> list[Point]:
    """List the points of a searcher that does not learn.

    They are `samples` passes over the grid, each point with new draws for the other keys. Without
    such keys the grid is passed once, and no point is repeated. They are a function of the seed.
    """
    grids = {key: d.grid for key, d in sweep.space.items() if d.grid is not None}
    drawn = {key: d for key, d in sweep.space.items() if d.grid is None}
    rng = np.random.default_rng(sweep.seed)
    result: list[Point] = []
    for _ in range(sweep.samples if drawn else 1):
        for values in itertools.product(*grids.values()):
            point = dict(zip(grids, values, strict=True))
            point |= {key: dimension.draw(rng) for key, dimension in drawn.items()}
            point = active(sweep.space, {key: point[key] for key in sweep.space})
            if drawn or point not in result:
                result.append(point)
    return result


def check_space(sweep: SweepSettings, table: Table) -> None:
    """Refuse a space with a value that no run can have.

    Each value of each key is tried with the run's own values of the others, then with drawn values
    of the others; finally all keys are tried together at points drawn from the space.

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
    """Return why a point gives no valid run; "" if it does."""
    try:
        configure(table, point)
    except ValueError as error:
        return str(error)
    return ""
