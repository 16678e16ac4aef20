"""What the orchestrator costs: on two actors, on many, on several nodes, with large weights.

Actors sleep instead of computing, several on a core; the sum of their answers is checked. What this
machine shows is the driver, the calls and the object store, not a network.

    python benchmarks/scaling.py overhead    a step on two actors, beside the work itself
    python benchmarks/scaling.py driver      the driver's cost against 2 ... 128 actors
    python benchmarks/scaling.py weak        1, 2 and 4 nodes, 16 actors each
    python benchmarks/scaling.py large       10^8 parameters: a step, and the driver's memory
"""

from statistics import median
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from sleepers import memory_bytes, nodes, sleeping_pool, step, weights_of

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
CONSOLE = Console(highlight=False, width=100)

TINY, MIDDLE, LARGE, HUGE = 1_700, 110_000, 1_000_000, 10_000_000
WORK_S = 0.05
_WARM_UP = 5

Steps = Annotated[int, typer.Option(help="Steps that are measured, after five.")]


@app.command()
def overhead(steps: Steps = 300, rounds: int = 3) -> None:
    """Two actors, Ray as `--workers 2` starts it: steps without work, and with 50 ms a block."""
    table = Table("weights", "blocks", "work a block", "a step, median", "overhead", "of ideal")
    for _ in range(rounds):
        with sleeping_pool(2, 0.0) as pool:
            for size in (TINY, MIDDLE, LARGE):
                took = _median(pool, steps, 8, size)[0]
                table.add_row(_megabytes(size), "8", "none", _ms(took), _ms(took), "")
        with sleeping_pool(2, WORK_S) as pool:
            for size in (TINY, MIDDLE, LARGE):
                for num_blocks in (2, 8):
                    took = _median(pool, max(10, steps // 10), num_blocks, size)[0]
                    ideal = WORK_S * num_blocks / 2
                    row = [_megabytes(size), str(num_blocks), _ms(WORK_S), _ms(took)]
                    table.add_row(*row, _ms(took - ideal), f"{ideal / took:.1%}")
    CONSOLE.print(table)


@app.command()
def driver(
    steps: Steps = 20,
    counts: str = "2,8,32,64,128",
    sizes: str = "tiny,4,40",
) -> None:
    """One block of 50 ms an actor: the step, and what the driver computes in it."""
    table = Table("weights", "added by", "actors", "a step, median", "driver's CPU, median")
    slopes = Table("weights", "added by", "driver's CPU per actor", "a step per actor")
    asked = {"tiny": (TINY, "driver"), "4": (LARGE, "actors"), "40": (HUGE, "actors")}
    numbers = [int(count) for count in counts.split(",")]
    for size in sizes.split(","):
        num_parameters, reduction = asked[size]
        measured = []
        for count in numbers:
            store = max(1e9, 1.3 * count * 4 * num_parameters)
            with nodes(1, store), sleeping_pool(count, WORK_S, reduction) as pool:
                took, cost = _median(pool, steps, count, num_parameters)
            measured.append((took, cost))
            row = [_megabytes(num_parameters), reduction, str(count)]
            table.add_row(*row, _ms(took), _ms(cost))
            CONSOLE.print(*row, _ms(took), _ms(cost), sep="  ")
        per_actor = [np.polyfit(numbers, column, 1)[0] for column in zip(*measured, strict=True)]
        row = [_megabytes(num_parameters), reduction, _ms(per_actor[1]), _ms(per_actor[0])]
        slopes.add_row(*row)
    CONSOLE.print(table, slopes)


@app.command()
def weak(steps: Steps = 20, per_node: int = 16) -> None:
    """As many blocks an actor on 1, 2 and 4 nodes: the time of a step should stay."""
    table = Table("nodes", "actors", "blocks an actor", "a step, median", "ideal", "of ideal")
    for num_nodes in (1, 2, 4):
        count = per_node * num_nodes
        with nodes(num_nodes), sleeping_pool(count, WORK_S) as pool:
            for blocks in (1, 4, 8):
                took = _median(pool, steps, blocks * count, TINY)[0]
                ideal = WORK_S * blocks
                row = [str(num_nodes), str(count), str(blocks), _ms(took), _ms(ideal)]
                table.add_row(*row, f"{ideal / took:.1%}")
    CONSOLE.print(table)


@app.command()
def large(steps: Steps = 3, count: int = 4, num_parameters: int = 100_000_000) -> None:
    """Whole steps with the outer update (Adam): time, and the driver's memory in copies of theta."""
    import tensorflow as tf

    from orchestrator.config import OuterSettings
    from orchestrator.outer import OuterUpdate
    from orchestrator.state import MetaState

    tf.config.threading.set_intra_op_parallelism_threads(1)
    theta = weights_of(num_parameters, 0).theta
    outer = OuterUpdate(OuterSettings(), MetaState(0, [theta], ["theta"], {}))
    del theta
    table = Table(
        "step", "actors add, s", "outer update, s", "driver's own", "the most, shared too"
    )
    copy = 4 * num_parameters
    with nodes(1, 1.5 * (count + 2) * copy), sleeping_pool(count, WORK_S, "auto") as pool:
        for number in range(steps):
            row = _whole_step(pool, outer, number, count)
            memory = memory_bytes()
            own, most = memory["RssAnon"] / copy, memory["VmHWM"] / copy
            table.add_row(str(number), *row, f"{own:.1f} x theta", f"{most:.1f} x theta")
    CONSOLE.print(f"theta: {_megabytes(num_parameters)}, {count} actors", table)


def _whole_step(pool, outer, number: int, num_blocks: int) -> list[str]:
    import time

    from orchestrator.aggregate import aggregate
    from workers.protocol import Block

    blocks = [Block("train", number, i, i, i + 1, {}) for i in range(num_blocks)]
    began = time.perf_counter()
    contributions = pool.run(outer.weights, blocks)
    gradient, carry, _ = aggregate(contributions, outer.weights.theta.size, 0)
    del contributions
    added = time.perf_counter()
    outer.apply(gradient, carry)
    return [f"{added - began:.2f}", f"{time.perf_counter() - added:.2f}"]


def _median(pool, steps: int, num_blocks: int, num_parameters: int) -> tuple[float, float]:
    """Of steps after the first five: seconds, and CPU seconds of the driver."""
    measured = [
        step(pool, number, num_blocks, num_parameters) for number in range(_WARM_UP + steps)
    ]
    took, cost = zip(*measured[_WARM_UP:], strict=True)
    return median(took), median(cost)


def _megabytes(num_parameters: int) -> str:
    return f"{4 * num_parameters / 1e6:.3g} MB"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"


if __name__ == "__main__":
    app()
