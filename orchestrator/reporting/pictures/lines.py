"""Lines of text that show a task: as text in a page, as a picture for what shows pictures alone."""

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
    """A line, "" for a gap; indented: it belongs to the one above."""

    text: str
    tone: Tone = "plain"
    indented: bool = False


def short(text: str, most: int = _MOST_LETTERS) -> str:
    """As much of the text as a line has room for."""
    return shorten(text, most, placeholder=" …") or text[:most]


def drawn(lines: Sequence[Line]) -> Figure:
    """The lines as a picture."""
    figure = Figure(figsize=(_WIDTH_INCHES, _LINE_INCHES * (len(lines) + 1)))
    height = 1 / (len(lines) + 1)
    for place, line in enumerate(lines, start=1):
        style: Any = {"weight": "bold"} if line.tone == "title" else {}
        text = f"    {line.text}" if line.indented else line.text
        figure.text(0.02, 1 - place * height, text, fontsize=9, color=_COLORS[line.tone], **style)
    return figure


def as_json(lines: Sequence[Line]) -> bytes:
    """What `read_lines` reads."""
    return json.dumps([line._asdict() for line in lines], indent=1).encode()


def read_lines(content: bytes) -> list[Line]:
    """The lines of a file; none where it is not what `as_json` writes."""
    try:
        found = [Line(each["text"], each["tone"], each["indented"]) for each in json.loads(content)]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    well = all(isinstance(line.text, str) and line.tone in get_args(Tone) for line in found)
    return found if well else []
