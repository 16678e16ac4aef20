"""One self-contained HTML file from a template beside this module."""

import io
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

_HERE = Path(__file__).parent


def render(template: str, **values: Any) -> bytes:
    """The page. A name that the template uses and `values` lacks is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template(template).render(**values).encode()


def svg(figure: Figure) -> str:
    """The figure as an <svg> element."""
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    text = content.getvalue()
    return text[text.index("<svg") :]
