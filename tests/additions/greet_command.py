"""`metatrain greet`: say hello."""

from typing import Annotated

import typer


def greet(name: Annotated[str, typer.Argument(help="Whom.")] = "you") -> None:
    """Say hello to somebody."""
    print(f"hello {name}")
