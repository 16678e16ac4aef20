"""Rendering a template of templates/ as one self-contained HTML file, light and dark."""

from pathlib import Path
from typing import Any

import jinja2

from orchestrator.text.plain_text import printable

_TEMPLATES = Path(__file__).parent / "templates"
_GENERATOR = '<meta name="generator" content="metatrain">'


def render(template: str, **values: Any) -> bytes:
    """Render a page. A name that the template uses and `values` lacks is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(generator=_GENERATOR, **values)
    return page.encode(errors="backslashreplace")  # a file's name may not be text


def _shown(value: Any) -> Any:
    """Escape a text of a template as plain characters, unless it is HTML already."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return printable(value, keep="\n\t")


def is_ours(head: bytes) -> bool:
    """Return whether a page with this beginning was made by `render`."""
    return _GENERATOR.encode() in head
