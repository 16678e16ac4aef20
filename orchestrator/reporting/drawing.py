"""Matplotlib figures that look the same everywhere, and whose text is plain characters.

By itself matplotlib reads a matplotlibrc of the working directory, and sets text between two dollar
signs as a formula. Here it keeps its defaults, and no text is a formula.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text

from orchestrator.text.plain_text import printable, shortened

# Settings of windows, which `rc_context` must not change; figures here have no window.
_NOT_OURS = ("backend", "backend_fallback", "interactive", "toolbar", "date.epoch")
# Text in an SVG stays text, for screen readers and search; ids are the same in each run.
_OURS: dict[str, Any] = {
    "text.parse_math": False,
    "text.usetex": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "metatrain",
}
_DPI = 110
_MOST_LETTERS = 40


@contextmanager
def drawing() -> Iterator[None]:
    """Use metatrain's settings for figures made and saved within, whatever the process has set."""
    defaults: Any = mpl.rcParamsDefault
    settings: Any = {name: defaults[name] for name in defaults if name not in _NOT_OURS} | _OURS
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Warnings about characters that the font lacks, and about labels without room.
        warnings.simplefilter("ignore", UserWarning)
        yield


def written(text: str) -> str:
    """Make a title or a label of a user's text: one line of at most 40 characters."""
    return shortened(printable(text), _MOST_LETTERS)


def png(figure: Figure) -> bytes:
    """Render a figure as PNG."""
    return _saved(figure, format="png", dpi=_DPI)


def svg(figure: Figure) -> str:
    """Render a figure as SVG."""
    content = _saved(figure, format="svg", transparent=True, metadata={"Date": None})
    return printable(content.decode(), keep="\n\t")  # tick labels are made while drawing


def _saved(figure: Figure, **options: Any) -> bytes:
    """Save a figure, which may come from other code, with its texts as plain characters."""
    content = io.BytesIO()
    with drawing():
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            text.set_parse_math(False)
            text.set_usetex(False)
            text.set_text(printable(text.get_text(), keep="\n"))
        figure.savefig(content, **options)
    return content.getvalue()
