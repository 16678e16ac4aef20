"""The speed of outer gradients: metatrain against PyTorch and JAX, in one run.

Every peer computes the same sum over tasks of the same outer gradients, from the same weights and
episodes, which is checked first (`peers/check.py`), on the same two cores: two single-thread
processes for conv4, or one process with two threads for some arrangements of a peer; one
single-thread process for sinusoids. Each peer is tried in several arrangements
(`peers/arrangements.py`), and the fastest one takes turns with metatrain, so that a noisy machine
disturbs all alike.

Timed on metatrain's side: `BlockRunner.run` for every block, which is all of an actor's work:
episodes built from their specs, weights and episodes from numpy to TensorFlow, the outer gradients
and their sum, the metrics (for Reptile a forward pass over the queries), the check that all is
finite, the gradient to numpy. On a peer's side: only the outer gradients and their sum, with
episodes and weights ready in its own layout on its device. For sinusoids, where the rest is a large
part, JAX is also measured "from specs": with the numpy code that builds metatrain's episodes, from
numpy and to numpy.

    python benchmarks/speed/inner_loop.py [--rounds 7] [--seconds 2] [--jobs conv4-maml ...]
        [--peers jax]

Only this benchmark needs PyTorch and JAX: `pip install torch==2.13.0`, `pip install jax`.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[1]))  # for synthetic.py
import matmul
import ours
from jobs import JOBS, Job
from peers.arrangements import INSTALL, Arrangement, arrangements, make, missing
from peers.check import Gradients, errors
from peers.problem import Problem, gflop_per_task, make_problem
from processes import Team, cores
from rich.console import Console
from rich.table import Table
from synthetic import overrides as noise_overrides
from synthetic import write_noise
from synthetic_texts import write_intents, write_lines

from orchestrator.config.schema import MetaConfig, load
from orchestrator.outer.blocks import train_blocks
from workers.tasks.registry import make_family
from workers.wire.protocol import Block

TRIALS = 3
PRODUCTS = 10  # matrix products in a turn


class Contender(NamedTuple):
    """A running side of the benchmark.

    how: its arrangement, for the table.
    team: its processes.
    steps: steps of a turn.
    trial: rate in the trial, over metatrain's.
    """

    how: str
    team: Team
    steps: int
    trial: float

    def turn(self) -> float:
        """Take a turn, and return tasks/s."""
        return self.team.rate(self.steps)


def main() -> None:
    """Print a table for each job."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2, help="of a turn, about")
    parser.add_argument("--jobs", nargs="*", choices=JOBS, default=list(JOBS))
    parser.add_argument("--peers", nargs="*", choices=INSTALL, default=list(INSTALL))
    arguments = parser.parse_args()
    console = Console(width=120, highlight=False)
    peers = []
    for framework in arguments.peers:
        if missing(framework):
            console.print(f"{framework} is not installed, and left out: {INSTALL[framework]}")
        else:
            peers.append(framework)
    with tempfile.TemporaryDirectory() as folder:
        source, lines = Path(folder, "noise.parquet"), Path(folder, "lines.parquet")
        intents = Path(folder, "intents.parquet")
        write_noise(source)
        write_lines(lines)
        write_intents(intents)
        synthetic = {
            "sinusoid": [],
            "shakespeare-generation": [f"task.path={lines}"],
            "clinc150-intents": [f"task.path={intents}", "task.leave_out=[]"],
        }
        for name in arguments.jobs:
            job = JOBS[name]
            noise = synthetic.get(job.preset, noise_overrides(source, folder))
            config, _ = load(job.preset, [*noise, *job.overrides])
            console.rule()
            console.print(job.title)
            run(console, job, config, peers, arguments.rounds, arguments.seconds)


def run(
    console: Console,
    job: Job,
    config: MetaConfig,
    peers: Sequence[str],
    rounds: int,
    seconds: float,
) -> None:
    """Start, check and try all arrangements, run the best in turn, and print."""
    family = make_family(config.task)  # decodes once, before the processes open the cache
    blocks = train_blocks(config, family, 0)
    one_core_each = [{core} for core in cores()[: job.processes]]
    peak = Team(matmul.make, [()] * job.processes, one_core_each)
    peak.rate(PRODUCTS)
    parts = shares(blocks, job.processes)
    team = Team(ours.make, [(config, part) for part in parts], one_core_each)
    theta, reference = team.answers[0][0], [gradients for _, gradients in team.answers]
    us = ready(f"BlockRunner.run; {job.processes} x 1", team, config.outer.meta_batch_size, seconds)

    best: dict[str, Contender] = {}
    for arrangement in arrangements(config.model.kind, config.algorithm.kind, job.processes):
        if arrangement.framework not in peers:
            continue
        parts = shares(blocks, arrangement.processes)
        problems = [make_problem(config, family, theta, part) for part in parts]
        them = attempt(console, arrangement, problems, reference, us, seconds)
        if them is None:
            continue
        other = best.get(arrangement.peer)
        if other is None or them.trial > other.trial:
            best[arrangement.peer], them = them, other
        if them is not None:
            them.team.close()

    contenders = {"ours": us, **best}
    rates: dict[str, list[float]] = {name: [] for name in ["peak", *contenders]}
    for _ in range(rounds):
        rates["peak"].append(peak.rate(PRODUCTS))
        for name, contender in contenders.items():
            rates[name].append(contender.turn())
    gflop = gflop_per_task(make_problem(config, family, theta, blocks))
    report(console, contenders, rates, gflop)
    for team in (peak, *(contender.team for contender in contenders.values())):
        team.close()


def attempt(
    console: Console,
    arrangement: Arrangement,
    problems: Sequence[Problem],
    reference: Sequence[Gradients],
    us: Contender,
    seconds: float,
) -> Contender | None:
    """Start an arrangement, check its gradient, and try it in turn with metatrain."""
    label = f"{arrangement.peer} ({arrangement.describe()})"
    used = cores()[: max(arrangement.threads, arrangement.processes)]
    pinned = [set(used)] if arrangement.threads > 1 else [{core} for core in used]
    try:
        team = Team(make, [(arrangement, problem) for problem in problems], pinned)
    except RuntimeError as error:
        console.print(f"{label}: failed: {str(error).strip().splitlines()[-1]}", markup=False)
        return None
    error = errors(reference, team.answers)
    if not error.small:
        console.print(f"{label}: {error}: another gradient, not timed", markup=False)
        team.close()
        return None
    them = ready(arrangement.describe(), team, sum(p.num_tasks for p in problems), seconds)
    ratio = statistics.median(them.turn() / us.turn() for _ in range(TRIALS))
    console.print(f"{label}: {error}; trial {ratio:.2f} x ours", markup=False)
    return them._replace(trial=ratio)


def ready(how: str, team: Team, num_tasks: int, seconds: float) -> Contender:
    """Make a contender whose turns take about `seconds`."""
    team.rate(1)
    return Contender(how, team, max(1, round(seconds * team.rate(1) / num_tasks)), 1.0)


def shares(blocks: Sequence[Block], number: int) -> list[Sequence[Block]]:
    """Split blocks into `number` ranges of the same length."""
    size = len(blocks) // number
    assert size * number == len(blocks)
    return [blocks[i : i + size] for i in range(0, len(blocks), size)]


def report(
    console: Console,
    contenders: dict[str, Contender],
    rates: dict[str, list[float]],
    gflop: float,
) -> None:
    """Print the table: medians over rounds, and of ratios within a round."""
    table = Table()
    for column in ("", "style; processes x threads"):
        table.add_column(column, no_wrap=True)
    for column in ("tasks/s", "from, to", "of matmul peak", "ours / it", "from, to"):
        table.add_column(column, justify="right")
    for name, contender in contenders.items():
        values = rates[name]
        pairs = zip(values, rates["peak"], strict=True)
        share = statistics.median(gflop * rate / peak for rate, peak in pairs)
        ratios = [a / b for a, b in zip(rates["ours"], values, strict=True)]
        table.add_row(
            name,
            contender.how,
            _number(statistics.median(values)),
            f"{_number(min(values))}, {_number(max(values))}",
            f"{share:.1%}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f}, {max(ratios):.2f}",
        )
    console.print(table)
    peak = statistics.median(rates["peak"])
    console.print(
        f"median of {len(rates['peak'])} rounds; {gflop * 1000:.4g} MFLOP a task in matrix products"
        f" and convolutions; the same cores' matmul {peak:.0f} GFLOP/s together"
    )


def _number(rate: float) -> str:
    """Format a rate, with one decimal if it is small."""
    return f"{rate:,.1f}" if rate < 1000 else f"{rate:,.0f}"


if __name__ == "__main__":
    main()
