"""A model of a step on 8 ... 1024 GPUs: costs measured here, and an assumed network.

    python benchmarks/cluster/scaling_model.py

Assumed: machines of 8 GPUs; a network of 10 or 100 Gb/s a machine, of which 80 % is used; one block
a GPU and step; theta reaches each machine once, from machines that already have it (their number
doubles); nothing overlaps. Fitted to scaling.json, measured on two cores that all actors shared:
the fixed cost of a step, the cost of each actor in the driver's loop (call, tree call), and the
seconds to add a byte.

    the driver adds:  fixed + N (call + S (driver's add + 1 / network)) + theta out
    actors add:       fixed + N tree call + theta out + levels (fixed + 4 S actor's add)
                      + levels between machines (3 S / network) + S / network
    theta out:        log2(machines) S / network

N: GPUs. S: bytes of theta. Levels: log4 N, of which the lowest one is within a machine.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import typer
from rich.console import Console
from rich.table import Table

GPUS = (8, 16, 32, 64, 128, 256, 512, 1024)
NETWORKS_GBIT = (10, 100)
SIZES_BYTES = (0.44e6, 40e6, 400e6)
_USED = 0.8
_GPUS_A_MACHINE = 8
_PARTS = 4
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Costs:
    """The measured costs.

    fixed_s: seconds of a call there and back.
    call_s, tree_call_s: seconds of the driver's loop for an actor, if the driver or actors add.
    driver_add_s, actor_add_s: seconds to add a byte of a contribution.
    """

    fixed_s: float
    call_s: float
    tree_call_s: float
    driver_add_s: float
    actor_add_s: float


def driver_adds_s(costs: Costs, gpus: int, size: float, network: float) -> float:
    """Estimate the seconds of a step beside the work.

    Args:
      size: bytes of theta.
      network: bytes a second.
    """
    per_gpu = costs.call_s + size * (costs.driver_add_s + _between(gpus) / network)
    return costs.fixed_s + per_gpu * gpus + _theta_out_s(gpus, size, network)


def actors_add_s(costs: Costs, gpus: int, size: float, network: float) -> float:
    """Estimate as `driver_adds_s`, with the tree on actors."""
    levels = math.ceil(math.log(gpus, _PARTS))
    within = math.floor(math.log(_GPUS_A_MACHINE, _PARTS))
    adding = levels * (costs.fixed_s + _PARTS * size * costs.actor_add_s)
    moving = (levels - within) * (_PARTS - 1) * size / network * _between(gpus)
    calls = costs.tree_call_s * gpus
    last = size / network
    return costs.fixed_s + calls + _theta_out_s(gpus, size, network) + adding + moving + last


def _between(gpus: int) -> int:
    """Return 1 if there is more than one machine, else 0."""
    return int(gpus > _GPUS_A_MACHINE)


def _theta_out_s(gpus: int, size: float, network: float) -> float:
    return math.log2(max(1, gpus / _GPUS_A_MACHINE)) * size / network


def fitted(measured: dict) -> Costs:
    """Fit the costs to the measured tables."""
    overhead = {
        row["megabytes"]: row["overhead_s"] for row in measured["overhead"] if row["work_s"]
    }
    slopes = {(row["megabytes"], row["who"]): row for row in measured["slopes"]}
    tiny, large = min(overhead), max(overhead)
    return Costs(
        fixed_s=overhead[tiny],
        call_s=slopes[tiny, "pool"]["loop_s_per_actor"],
        tree_call_s=slopes[4.0, "pool"]["loop_s_per_actor"],
        driver_add_s=(overhead[large] - overhead[tiny]) / (2 * large * 1e6),
        actor_add_s=measured["adding"][0]["seconds_per_byte"],
    )


def main(measured: Path = HERE / "scaling.json", out: Path = HERE / "scaling.png") -> None:
    """Print the overhead of a step, and the share of ideal speed at a second of work; draw both."""
    tables = json.loads(measured.read_text())
    costs = fitted(tables)
    console = Console(width=110, highlight=False)
    console.print(costs)
    for gbit in NETWORKS_GBIT:
        network = gbit * 1e9 / 8 * _USED
        table = Table(title=f"{gbit} Gb/s: a step beside the work, s, and of ideal at 1 s of work")
        table.add_column("GPUs", justify="right")
        for size in SIZES_BYTES:
            for who in ("driver", "actors"):
                table.add_column(f"{size / 1e6:g} MB, {who}", justify="right")
        for gpus in GPUS:
            cells = []
            for size in SIZES_BYTES:
                for overhead_s in (driver_adds_s, actors_add_s):
                    seconds = overhead_s(costs, gpus, size, network)
                    cells.append(f"{seconds:.2g}  {1 / (1 + seconds):.0%}")
            table.add_row(str(gpus), *cells)
        console.print(table)
    draw(costs, tables["driver"], out)


def draw(costs: Costs, points: list[dict], out: Path) -> None:
    """Plot overhead against GPUs, with the measured steps of actors on one machine."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for axis, gbit in zip(axes, NETWORKS_GBIT, strict=True):
        network = gbit * 1e9 / 8 * _USED
        for color, size in zip(("C0", "C1", "C2"), SIZES_BYTES, strict=True):
            label = f"{size / 1e6:g} MB"
            for style, overhead_s in (("--", driver_adds_s), ("-", actors_add_s)):
                seconds = [overhead_s(costs, gpus, size, network) for gpus in GPUS]
                axis.plot(GPUS, seconds, style, color=color, label=label if style == "-" else None)
        tiny = [p for p in points if p["megabytes"] < 1 and p["who"] == "pool"]
        axis.plot(
            [point["actors"] for point in tiny],
            [point["step_s"] - point["work_s"] for point in tiny],
            "ko",
            markersize=4,
            label="measured, 0.007 MB, 2 cores",
        )
        axis.set(xscale="log", yscale="log", xlabel="GPUs", title=f"{gbit} Gb/s (a model)")
        axis.set_xticks(GPUS, [str(gpus) for gpus in GPUS])
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("s a step beside the work")
    axes[0].legend(fontsize=8)
    figure.suptitle("dashed: the driver adds; solid: actors add", fontsize=10)
    figure.tight_layout()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    typer.run(main)
