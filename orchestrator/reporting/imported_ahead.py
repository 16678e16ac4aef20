"""Imports what draws pictures and pages while a run trains, so that its end does not wait."""

import importlib
from contextlib import suppress
from threading import Thread

_MODULES = (
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "orchestrator.reporting.pictures.render",
    "orchestrator.reporting.page.page",
)


def import_drawing_ahead() -> Thread:
    """Begin to import in a thread. Errors are left to where the modules are used."""
    thread = Thread(target=_import, name="drawing-imports", daemon=True)
    thread.start()
    return thread


def _import() -> None:
    for name in _MODULES:
        with suppress(Exception):
            importlib.import_module(name)
