"""The cost of the orchestrator: on two actors, on many, on several nodes, with large weights.

Actors sleep instead of computing, several on a core; the sum of their answers is checked. This
machine shows the cost of the driver, the calls and the object store, not of a network.

    python benchmarks/cluster/scaling.py overhead    a step on two actors, beside the work itself
    python benchmarks/cluster/scaling.py driver      the driver's cost against 2 ... 128 actors
    python benchmarks/cluster/scaling.py weak        1, 2 and 4 nodes, 16 actors each
    python benchmarks/cluster/scaling.py large       10^8 parameters: steps, and the driver's memory

Each adds its table to scaling.json, which scaling_model.py reads.
"""

import json
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from sleepers import (
    Cost,
    MemoryPeak,
    bare_steps,
    blocks_of,
    memory_bytes,
    nodes,
    sleeping_pool,
    steps,
    weights_of,
)

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
CONSOLE = Console(highlight=False, width=110)
OUT = Path(__file__).with_suffix(".json")

#: parameters by name; 4 bytes each.
SIZES = {"tiny": 1_700, "0.44": 110_000, "4": 1_000_000, "40": 10_000_000}
WORK_S = 0.05
_WARM_UP = 5

Steps = Annotated[int, typer.Option(help="Steps that are measured, after five.")]


@app.command()
def overhead(number: Steps = 200, rounds: int = 5) -> None:
    """Measure two actors of a Ray as `--workers 2` starts it: no work, and 50 ms a block."""
    measured: dict[tuple[str, int, float], list[Cost]] = {}
    for _ in range(rounds):
        for work_s in (0.0, WORK_S):
            with sleeping_pool(2, work_s) as pool:
                for size in ("tiny", "0.44", "4"):
                    for num_blocks in (8,) if not work_s else (2, 8):
                        count = number if not work_s else max(10, number // 8)
                        costs = steps(pool, _WARM_UP + count, num_blocks, SIZES[size])
                        case = measured.setdefault((size, num_blocks, work_s), [])
                        case.append(_median(costs[_WARM_UP:]))
    rows = []
    for (size, num_blocks, work_s), costs in measured.items():
        ideal_s, seconds = work_s * num_blocks / 2, sorted(cost.step_s for cost in costs)
        rows.append(
            {
                "megabytes": _megabytes(size),
                "blocks": num_blocks,
                "work_s": work_s,
                "step_s": _median(costs).step_s,
                "overhead_s": _median(costs).step_s - ideal_s,
                "least_s": seconds[0] - ideal_s,
                "most_s": seconds[-1] - ideal_s,
                "of_ideal": ideal_s / _median(costs).step_s,
            }
        )
    _show("overhead", rows)


@app.command()
def driver(number: Steps = 20, counts: str = "2,8,32,64,128", sizes: str = "tiny,4,40") -> None:
    """Measure one block of 50 ms an actor: the step, and the driver's computation in it."""
    numbers = [int(count) for count in counts.split(",")]
    rows, slopes = [], []
    for size in sizes.split(","):
        reduction = "driver" if size == "tiny" else "actors"
        cases: dict[str, list[Cost]] = {"pool": [], "bare": []}
        for count in numbers:
            parameters = SIZES[size]
            with nodes(1, max(1e9, 1.4 * count * 4 * parameters)):
                with sleeping_pool(count, WORK_S, reduction) as pool:
                    costs = steps(pool, _WARM_UP + number, count, parameters)
                cases["pool"].append(_median(costs[_WARM_UP:]))
                costs = bare_steps(count, WORK_S, _WARM_UP + number, parameters, reduction)
                cases["bare"].append(_median(costs[_WARM_UP:]))
            for who, medians in cases.items():
                by = {"megabytes": _megabytes(size), "who": who, "added_by": reduction}
                rows.append({**by, "actors": count, "work_s": WORK_S, **vars(medians[-1])})
                CONSOLE.print(rows[-1])
        for who, medians in cases.items():
            by = {"megabytes": _megabytes(size), "who": who, "added_by": reduction}
            fields = ("step_s", "loop_s", "driver_s")
            fits = {f: _slope(numbers, [getattr(cost, f) for cost in medians]) for f in fields}
            slopes.append({**by, **{f"{f}_per_actor": fit for f, fit in fits.items()}})
    _show("driver", rows)
    _show("slopes", slopes)


@app.command()
def weak(number: Steps = 20, per_node: int = 16) -> None:
    """Measure equally many blocks an actor on 1, 2 and 4 nodes: a step should not get longer."""
    rows: list[dict[str, Any]] = []
    for num_nodes in (1, 2, 4):
        count = per_node * num_nodes
        with nodes(num_nodes), sleeping_pool(count, WORK_S) as pool:
            for blocks in (1, 4, 8, 16):
                costs = steps(pool, _WARM_UP + number, blocks * count, SIZES["tiny"])
                step_s, ideal_s = _median(costs[_WARM_UP:]).step_s, WORK_S * blocks
                alone = [row["step_s"] for row in rows if row["blocks_per_actor"] == blocks]
                rows.append(
                    {
                        "nodes": num_nodes,
                        "actors": count,
                        "blocks_per_actor": blocks,
                        "step_s": step_s,
                        "ideal_s": ideal_s,
                        "of_ideal": ideal_s / step_s,
                        "of_one_node": (alone or [step_s])[0] / step_s,
                    }
                )
                CONSOLE.print(rows[-1])
    _show("weak", rows)


@app.command()
def large(number: Steps = 3, count: int = 4, num_parameters: int = 100_000_000) -> None:
    """Measure steps with the outer update (Adam), and the driver's memory in copies of theta."""
    from workers.execution.runtime import start_tensorflow

    start_tensorflow(0)
    from orchestrator.config.driver_settings import OuterSettings
    from orchestrator.outer.aggregate import aggregate
    from orchestrator.outer.state import MetaState
    from orchestrator.outer.update import OuterUpdate

    before = memory_bytes()["RssAnon"]
    state = MetaState(0, [weights_of(num_parameters, 0).theta], ["theta"], {})
    outer = OuterUpdate(OuterSettings(), state)
    del state
    theta_bytes, rows = 4 * num_parameters, []
    with nodes(1, 1.5 * (count + 2) * theta_bytes), sleeping_pool(count, WORK_S, "auto") as pool:
        for step in range(number):
            with MemoryPeak() as peak:
                began = time.perf_counter()
                contributions = pool.run(outer.weights, blocks_of(step, count))
                assert [c.num_blocks for c in contributions] == [count]
                gradient, carry, _ = aggregate(contributions, num_parameters, 0)
                del contributions
                added = time.perf_counter()
                outer.apply(gradient, carry)
                del gradient
                ended = time.perf_counter()
            rows.append(
                {
                    "step": step,
                    "megabytes": theta_bytes / 1e6,
                    "actors": count,
                    "actors_add_s": added - began,
                    "outer_update_s": ended - added,
                    "own_copies_after": (memory_bytes()["RssAnon"] - before) / theta_bytes,
                    "own_copies_at_most": (peak.own_bytes - before) / theta_bytes,
                    "shared_copies_at_most": peak.shared_bytes / theta_bytes,
                }
            )
    _show("large", rows)
    _show("adding", [{"seconds_per_byte": _adding_s_per_byte()}])


def _adding_s_per_byte(num_parameters: int = 10_000_000, parts: int = 4) -> float:
    """Time an actor's work for a byte of a part: adding, checking, hashing."""
    from workers.wire.combine import combine
    from workers.wire.protocol import Contribution
    from workers.wire.remote_contribution import split_vectors

    theta = weights_of(num_parameters, 0).theta
    wholes = [Contribution(i, 1, theta, theta[:0], {}, 0.0) for i in range(parts)]
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        split_vectors(combine(wholes))
        seconds.append(time.perf_counter() - began)
    return median(seconds) / (parts * theta.nbytes)


def _median(costs: list[Cost]) -> Cost:
    return Cost(*(median(getattr(cost, name) for cost in costs) for name in vars(costs[0])))


def _slope(numbers: list[int], values: list[float]) -> float:
    """Return the slope of the straight line nearest to the values."""
    return float(np.polyfit(numbers, values, 1)[0])


def _megabytes(size: str) -> float:
    return round(4 * SIZES[size] / 1e6, 4)


def _show(name: str, rows: list[dict[str, Any]]) -> None:
    """Print a table (times in milliseconds), and write it into scaling.json."""
    table = Table(title=name)
    for key in rows[0]:
        title = key.replace("_s", ", ms", 1) if _is_time(key) else key
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(*(_cell(key, value) for key, value in row.items()))
    CONSOLE.print(table)
    tables = json.loads(OUT.read_text()) if OUT.exists() else {}
    if name in ("driver", "slopes"):  # one size at a time
        sizes = {row["megabytes"] for row in rows}
        rows = [row for row in tables.get(name, []) if row["megabytes"] not in sizes] + rows
    OUT.write_text(json.dumps({**tables, name: rows}, indent=1) + "\n")


def _cell(key: str, value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    if key.startswith("of_"):
        return f"{value:.1%}"
    return f"{value * 1e3:.2f}" if _is_time(key) else f"{value:.3g}"


def _is_time(key: str) -> bool:
    return key.endswith(("_s", "_s_per_actor"))


if __name__ == "__main__":
    app()
