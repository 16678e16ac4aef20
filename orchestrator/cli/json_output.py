"""The option --json: one JSON document on standard output, and nothing else there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from orchestrator.reporting.notes import RESULTS
from orchestrator.text.json_text import dumps
from orchestrator.text.lasting_console import while_somebody_reads

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


@contextmanager
def tables_aside(as_json: bool) -> Iterator[None]:
    """Print tables to standard error within the context if a JSON document is wanted."""
    before, RESULTS.stderr = RESULTS.stderr, RESULTS.stderr or as_json
    try:
        yield
    finally:
        RESULTS.stderr = before


def print_json(document: Any) -> None:
    """Print a document on standard output; see `json_text` for numbers that are not finite."""
    with while_somebody_reads():
        print(dumps(document, indent=1))
