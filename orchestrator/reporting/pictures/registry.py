"""The registry of pictures.

A new picture is a file with a function `draw`, as in `curves.py`, and a row here; families name it
by its row. It may have `lines`, for tasks that are shown by lines of text (see `text_episode.py`),
and `prepare`, for work that needs the model (see `samples.py`).
"""

from importlib import import_module
from types import ModuleType

PICTURES = {
    "curves": "orchestrator.reporting.pictures.curves",
    "image_episode": "orchestrator.reporting.pictures.image_episode",
    "signal_episode": "orchestrator.reporting.pictures.signal_episode",
    "forecast": "orchestrator.reporting.pictures.forecast",
    "predicted": "orchestrator.reporting.pictures.predicted",
    "confusion": "orchestrator.reporting.pictures.confusion",
    "text_episode": "orchestrator.reporting.pictures.text_episode",
    "samples": "orchestrator.reporting.pictures.samples",
    "paths": "orchestrator.reporting.pictures.paths",
    "observed": "orchestrator.reporting.pictures.observed",
}


def picture_of(name: str) -> ModuleType:
    """Import a picture by its row."""
    return import_module(PICTURES[name])
