"""Lines of text that show a task: as text on a page, and as a picture elsewhere."""

import json
from collections.abc import Sequence
from textwrap import shorten
from typing import Any, Literal, NamedTuple, get_args

from matplotlib.figure import Figure

Tone = Literal["title", "plain", "muted", "before", "after", "right", "wrong"]
_COLORS: dict[Tone, str] = {
    "title": "black",
    "plain": "black",
    "muted": "0.4",
    "before": "C3",
    "after": "C0",
    "right": "C2",
    "wrong": "C3",
}
_LINE_INCHES, _WIDTH_INCHES = 0.2, 5.4
_MOST_LETTERS = 66


class Line(NamedTuple):
    """A line of text.

    text: "" for a gap.
    indented: whether it belongs to the line above.
    """

    text: str
    tone: Tone = "plain"
    indented: bool = False


def short(text: str, most: int = _MOST_LETTERS) -> str:
    """Shorten a text to a line."""
    return shorten(text, most, placeholder=" …") or text[:most]


def drawn(lines: Sequence[Line]) -> Figure:
    """Draw the lines as a picture."""
    figure = Figure(figsize=(_WIDTH_INCHES, _LINE_INCHES * (len(lines) + 1)))
    height = 1 / (len(lines) + 1)
    for number, line in enumerate(lines, start=1):
        style: Any = {"weight": "bold"} if line.tone == "title" else {}
        text = f"    {line.text}" if line.indented else line.text
        figure.text(0.02, 1 - number * height, text, fontsize=9, color=_COLORS[line.tone], **style)
    return figure


def as_json(lines: Sequence[Line]) -> bytes:
    """Encode lines for `read_lines`."""
    return json.dumps([line._asdict() for line in lines], indent=1).encode()


def read_lines(content: bytes) -> list[Line]:
    """Decode the lines of `as_json`; none if the content is anything else."""
    try:
        lines = [Line(row["text"], row["tone"], row["indented"]) for row in json.loads(content)]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    valid = all(isinstance(line.text, str) and line.tone in get_args(Tone) for line in lines)
    return lines if valid else []
