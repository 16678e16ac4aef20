"""`metatrain greet`: say hello."""

from typing import Annotated

import typer

from orchestrator.cli.command_settings import command_settings


@command_settings(epilog="Example: metatrain greet Ada")
def greet(name: Annotated[str, typer.Argument(help="Whom.")] = "you") -> None:
    """Say hello to somebody."""
    print(f"hello {name}")
