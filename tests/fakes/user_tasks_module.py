"""Modules of a user's own, written by a test and forgotten after it."""

import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_NUMBERS = itertools.count()
#: A function without its name and body.
HEAD = "def task(rng, split, shots, queries):\n"


def writer(folder: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """A function from the text of a module, and the name of what is in it, to a [task] table."""
    before, written = list(sys.path), []

    def write(text: str, name: str = "task", **settings: Any) -> dict[str, Any]:
        module = f"own_tasks_{next(_NUMBERS)}"
        written.append(module)
        body = "import random\n\nimport numpy as np\n\n\n" + textwrap.dedent(text)
        (folder / f"{module}.py").write_text(body)
        given = {"kind": "python", "source": f"{module}:{name}", "folder": str(folder)}
        return {**given, "shots": 3, "queries": 2, **settings}

    yield write
    sys.path[:] = before
    for module in written:
        sys.modules.pop(module, None)


def body(*lines: str) -> str:
    """The text of a module with a function `task` of these lines."""
    return HEAD + "".join(f"    {line}\n" for line in lines)
