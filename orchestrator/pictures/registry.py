"""The registry of pictures.

A new picture is a file with a function `draw`, as in `curves.py`, and a row here; families name it
by its row. It may have `lines`, for tasks that are shown by lines of text (see `text_episode.py`),
and `prepare`, for what must be made with the model first (see `samples.py`).
"""

from importlib import import_module
from types import ModuleType

PICTURES = {
    "curves": "orchestrator.pictures.curves",
    "image_episode": "orchestrator.pictures.image_episode",
    "predicted": "orchestrator.pictures.predicted",
    "confusion": "orchestrator.pictures.confusion",
    "text_episode": "orchestrator.pictures.text_episode",
    "samples": "orchestrator.pictures.samples",
    "paths": "orchestrator.pictures.paths",
    "observed": "orchestrator.pictures.observed",
}


def picture_of(name: str) -> ModuleType:
    """Import a picture by its row."""
    return import_module(PICTURES[name])
