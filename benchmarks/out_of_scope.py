"""Texts that are of none of a task's classes: how many a run calls unknown, at what false alarms.

    METATRAIN_DATA=DATA python benchmarks/out_of_scope.py RUN [--tasks 200] [--label oos]

RUN was trained on texts of which those with this label were left out (CLINC150 has 1 200 such
texts). Each of its test tasks is adapted to as by `metatrain adapt`; its own queries and as many
texts out of scope are asked. For each share of false alarms that `evaluation.false_alarms` may ask,
the table has the share of both that is called unknown. The thresholds are those of the run's
validation tasks; nothing is chosen here. Intervals are 95 %, over tasks.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from orchestrator.config import schema as configuration
from orchestrator.learner import Learner
from orchestrator.outer.blocks import held_out_sizes
from workers.tasks.registry import make_family
from workers.wire.protocol import Draw

_FALSE_ALARMS = (0.01, 0.02, 0.05, 0.1, 0.2)
_PARTS = ("support", "query")


def main(run: Path, tasks: int = 200, label: str = "oos") -> None:
    """Adapt, ask, and print the table."""
    config, _ = configuration.load(str(run / "config.toml"), [])
    family, settings = make_family(config.task, config.model), config.task
    shots, queries = held_out_sizes(config)
    ways = config.evaluation.num_ways
    own = {} if ways is None else {"ways": ways}
    draw = Draw(config.evaluation.seed, "test", 0)
    specs = family.sample(draw, 0, tasks, shots, queries, **own)
    texts = pd.read_parquet(settings.path)
    outside = texts.loc[texts[settings.label_column] == label, settings.text_column].to_numpy()
    learner, rng = Learner.load(run), np.random.default_rng(0)
    called = np.zeros((tasks, 2, len(_FALSE_ALARMS)))
    for task in track(range(tasks), "asking", console=Console(stderr=True)):
        support, known = (family.strings_of(specs[f"{part}_rows"][task]) for part in _PARTS)
        classes = np.repeat([str(index) for index in specs["classes"][task]], support.shape[1])
        predictor = learner.adapt(support.ravel().tolist(), classes.tolist())
        asked = known.ravel().tolist(), rng.choice(outside, known.size, replace=False).tolist()
        for column, rate in enumerate(_FALSE_ALARMS):
            for row, queries_ in enumerate(asked):
                called[task, row, column] = predictor.is_unknown(queries_, rate).mean()
    table = Table("false alarms asked", "the tasks' own texts", f"texts with {label!r}")
    for column, rate in enumerate(_FALSE_ALARMS):
        table.add_row(f"{rate:.0%}", *(_percent(called[:, row, column]) for row in range(2)))
    Console(width=110).print(table, f"{tasks} test tasks of {run}, called unknown", sep="\n")


def _percent(shares: np.ndarray) -> str:
    spread = 1.96 * shares.std(ddof=1) / np.sqrt(len(shares))
    return f"{100 * shares.mean():.1f} ± {100 * spread:.1f} %"


if __name__ == "__main__":
    typer.run(main)
