"""Examples of a request, as its body has them, before the run's reader converts them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EncodedFiles:
    """Inputs that are files, such as PNG images.

    names: of each file. contents: of each file.
    """

    names: Sequence[str]
    contents: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Examples:
    """What a request holds.

    support: inputs to adapt to; None if it holds none.
    targets: of the support set; None if it holds none.
    queries: inputs to predict; None if it holds none.
    names: of the queries; None: their numbers.
    """

    support: Any = None
    targets: Any = None
    queries: Any = None
    names: Sequence[str] | None = None


def kind_of(value: Any) -> str:
    """Name the type of a value of a body, for errors."""
    names = {
        list: "an array",
        dict: "an object",
        str: "text",
        bool: "true or false",
        type(None): "null",
        EncodedFiles: "files",
    }
    return names.get(type(value), "a number")
