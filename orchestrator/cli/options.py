"""The options that several commands share, each declared once."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.local_path import local_path

#: Of commands that take settings.
Set = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE, e.g. outer.steps=2000; repeatable.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show TensorFlow's and Ray's messages.")]
#: Of commands that train.
Workers = Annotated[
    str | None,
    typer.Option(
        metavar="N", help="Ray actors; 0: in this process. Default: auto, whichever is faster."
    ),
]
#: Of commands that use a trained run. Their default is "0".
WorkersOfRun = Annotated[
    str,
    typer.Option("--workers", metavar="N", help="Ray actors, 0: in this process, or auto."),
]

# Of the commands that adapt a trained run.
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
    typer.Option(metavar="NAME", help="Column that tells tasks apart: each is adapted to alone."),
]
InnerSteps = Annotated[
    int | None, typer.Option(metavar="N", help="Instead of those that validation chose.")
]
InnerLr = Annotated[
    float | None, typer.Option(metavar="RATE", help="Instead of the one that validation chose.")
]
Statistics = Annotated[
    str | None,
    typer.Option(
        metavar="batch|support",
        help="Batch normalization: of all queries together, or of each with the support set. "
        "Default: support, also where the model was trained by batch.",
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Of all that is drawn at random.")]
