"""Figures as SVG elements of a page, in the colours of the page."""

import re
from html import escape

from matplotlib.figure import Figure

from orchestrator.reporting import drawing
from orchestrator.text.plain_text import printable

# Matplotlib's colours become the page's, which differ between light and dark; a figure in a file of
# its own keeps them.
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


def svg(figure: Figure, label: str) -> str:
    """Return the figure as an <svg> element whose lines and text take the colours of the page.

    Args:
      label: description of the figure, for screen readers.
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
