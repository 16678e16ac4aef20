"""The command `metatrain`, `python -m metatrain`, and what Python is offered: MetaTrainer, Learner.

The only module that is sure to be ours: a user may have packages called `orchestrator` or `workers`
in the way. Nothing of them is imported before it is asked for: Ray and TensorFlow take seconds.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.learner import Learner
    from orchestrator.trainer import MetaTrainer

    __version__: str

__all__ = ["Learner", "MetaTrainer", "__version__"]

_HOMES = {"Learner": "orchestrator.learner", "MetaTrainer": "orchestrator.trainer"}
_WRONG_INPUT, _STOPPED = 2, 75


def __getattr__(name: str) -> Any:
    """Import what is asked for. Raises ImportError if somebody else's package is in the way."""
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module 'metatrain' has no attribute {name!r}")
    refuse_others()
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    """Of the installed distribution; of a clone that is not installed, the source's own."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("metatrain")
    except PackageNotFoundError:
        return "0+unknown"


def refuse_others() -> None:
    """Make sure that our own packages will be imported.

    Raises:
      ImportError: somebody else's package comes first; says where it is.
    """
    for name in ("orchestrator", "workers"):
        spec = find_spec(name)
        ours = Path(__file__).resolve().with_name(name) / "__init__.py"
        if spec is None or spec.origin is None or Path(spec.origin).resolve() != ours:
            other = spec and (spec.origin or list(spec.submodule_search_locations or []))
            raise ImportError(
                f"{other or 'nothing'} stands where metatrain's own package {name!r} is to be "
                "imported from; rename it, or take it off the import path (PYTHONPATH)"
            )


def main() -> None:
    """Run the command line."""
    try:
        refuse_others()
    except ImportError as error:
        print(f"metatrain: {error}", file=sys.stderr)
        raise SystemExit(_WRONG_INPUT) from None
    try:
        from orchestrator.cli import main as command_line
    except KeyboardInterrupt:
        raise SystemExit(_STOPPED) from None
    command_line()


if __name__ == "__main__":
    main()
