"""Options that several commands have."""

from typing import Annotated

import typer

Set = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE, e.g. outer.steps=2000; repeatable.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show TensorFlow's and Ray's messages.")]
Workers = Annotated[
    str | None,
    typer.Option(
        metavar="N", help="Ray actors; 0: in this process. Default: auto, whichever is faster."
    ),
]
