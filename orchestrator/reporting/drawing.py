"""Figures of matplotlib's that look alike everywhere, and in which text is letters alone.

matplotlib takes a matplotlibrc from the working directory, and what is between two dollar signs for
a formula. Here it has its own defaults, and no text is a formula.
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

# What `rc_context` must leave alone: it chooses windows to draw in, and we draw in none.
_NOT_OURS = ("backend", "backend_fallback", "interactive", "toolbar", "date.epoch")
# In an SVG text stays text, so that it is read out and found; ids are the same in each run.
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
    """Within: figures are made and saved with our settings, whatever those of the process are."""
    defaults: Any = mpl.rcParamsDefault
    settings: Any = {name: defaults[name] for name in defaults if name not in _NOT_OURS} | _OURS
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Of letters that its font lacks, and of labels for which there is no room.
        warnings.simplefilter("ignore", UserWarning)
        yield


def written(text: str) -> str:
    """A user's text as a title or a label: on one line, of 40 letters at most."""
    return shortened(printable(text), _MOST_LETTERS)


def png(figure: Figure) -> bytes:
    """The figure as a picture."""
    return _saved(figure, format="png", dpi=_DPI)


def svg(figure: Figure) -> str:
    """The figure as lines and text."""
    content = _saved(figure, format="svg", transparent=True, metadata={"Date": None})
    return printable(content.decode(), keep="\n\t")  # labels of ticks are made as they are drawn


def _saved(figure: Figure, **how: Any) -> bytes:
    """Also of a figure that was made elsewhere: its texts are letters alone."""
    content = io.BytesIO()
    with drawing():
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            text.set_parse_math(False)
            text.set_usetex(False)
            text.set_text(printable(text.get_text(), keep="\n"))
        figure.savefig(content, **how)
    return content.getvalue()
