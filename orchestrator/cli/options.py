"""Options that several commands share, each declared once."""

import math
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.local_path import local_path


def preset_names(incomplete: str) -> list[str]:
    """Complete the name of a preset in a shell."""
    from orchestrator.config.schema import presets

    return [name for name in presets() if name.startswith(incomplete)]


def sweep_names(incomplete: str) -> list[str]:
    """Complete the name of a shipped sweep in a shell."""
    from orchestrator.sweep.settings import shipped_sweeps

    return [name for name in shipped_sweeps() if name.startswith(incomplete)]


def finite(value: float | None) -> float | None:
    """Return the value of an option that is a number with a fraction, as its callback.

    Raises:
      typer.BadParameter: it is infinite, or not a number, which no range refuses.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value:g} is not a finite number; give one")
    return value


#: For commands that take settings.
Set = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE, e.g. outer.steps=2000; repeatable.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show TensorFlow's and Ray's messages.")]
#: For commands that train.
Workers = Annotated[
    str | None,
    typer.Option(
        metavar="N", help="Ray actors; 0: in this process. Default: auto, whichever is faster."
    ),
]
#: For commands that use a trained run. Their default is "0".
WorkersOfRun = Annotated[
    str,
    typer.Option("--workers", metavar="N", help="Ray actors, 0: in this process, or auto."),
]

# For the commands that adapt a trained run.
Source = Annotated[
    str, typer.Argument(metavar="RUN", help="Folder or URI of a run, or an exported file.")
]
Out = Annotated[
    Path | None,
    typer.Option(parser=local_path, metavar="FILE", help="Write the results as .parquet or .csv."),
]
SaveModel = Annotated[
    Path | None,
    typer.Option(
        parser=local_path,
        metavar="FILE",
        help="Write the adapted model as .keras; a folder for several tasks.",
    ),
]
InputColumn = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="Column of the inputs; repeatable. Default: the run's own, or x."
    ),
]
TaskColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of the task; each task is adapted to separately."),
]
InnerSteps = Annotated[
    int | None, typer.Option(metavar="N", help="Inner steps. Default: those validation chose.")
]
InnerLr = Annotated[
    float | None,
    typer.Option(metavar="RATE", help="Inner learning rate. Default: the one validation chose."),
]
Statistics = Annotated[
    str | None,
    typer.Option(
        metavar="batch|support",
        help="Batch normalization: over all queries together, or over each query with the support "
        "set. Default: support, even if the model was trained by batch.",
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of all random draws.")]
