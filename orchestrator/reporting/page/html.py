"""One self-contained HTML file from a template in templates/, in light and in dark."""

import re
from html import escape
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from orchestrator.reporting import drawing
from orchestrator.text.plain_text import printable

_TEMPLATES = Path(__file__).parent / "templates"
_GENERATOR = '<meta name="generator" content="metatrain">'
# Matplotlib's own colours become those of the page, which differ between light and dark; alone, as
# a file, the figure keeps them.
_COLORS = {
    "#1f77b4": "c0",
    "#ff7f0e": "c1",
    "#2ca02c": "c2",
    "#d62728": "c3",
    "#9467bd": "c4",
    "#8c564b": "c5",
    "#e377c2": "c6",
    "#7f7f7f": "c7",
    "#bcbd22": "c8",
    "#17becf": "c9",
    "#999999": "muted",
    "#e0e0e0": "line",
    "#ffffff": "bg",
}


def render(template: str, **values: Any) -> bytes:
    """The page. A name that the template uses and `values` lacks is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(generator=_GENERATOR, **values)
    return page.encode(errors="backslashreplace")  # a file's name may be no text


def _shown(value: Any) -> Any:
    """A value that a template writes: of what is text, and not ours already, letters alone."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return printable(value, keep="\n\t")


def is_ours(head: bytes) -> bool:
    """Whether `render` has made the page that begins so."""
    return _GENERATOR.encode() in head


def svg(figure: Figure, label: str) -> str:
    """The figure as an <svg> element whose lines and text take the colours of the page.

    Args:
      label: what it shows, for those who do not see it.
    """
    text = drawing.svg(figure)
    text = text[text.index("<svg") :]
    for color, name in _COLORS.items():
        text = text.replace(color, f"var(--{name}, {color})")
    text = text.replace("#000000", "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, count=1, flags=re.S)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # several figures of a page would share them
    text = re.sub(r'font-family: [^;"]*', "font-family: system-ui, sans-serif", text)
    role = f'role="img" aria-label="{escape(printable(label))}" fill="currentColor" '
    return text.replace("<svg ", f"<svg {role}", 1)
