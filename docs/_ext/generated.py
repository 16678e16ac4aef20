"""The pages that are made at each build from what they describe, so that they cannot rot.

A page has a directive, `{generated} configuration`, in whose place the text stands. Links that
lead out of docs/ are turned into links to the page that shows the file, where there is one.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import command_page
import configuration_page
import findings_page
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
WRITERS: dict[str, Callable[[], str]] = {
    "configuration": configuration_page.text,
    "sweep": configuration_page.sweep_text,
    "commands": command_page.text,
    "findings": findings_page.text,
}
#: File of the repository -> the page that shows it.
SHOWN = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/REPRODUCTION.md": "reproduction.md",
    "benchmarks/RESULTS.md": "measurements.md",
    "findings/README.md": "findings.md",
}
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


class Generated(SphinxDirective):
    """Text in Markdown, made now."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the text and parse it, with its headings."""
        text = WRITERS[self.arguments[0]]()
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def led_to_pages(text: str, folder: Path, root: Path = ROOT) -> str:
    """Lead links to files of the repository to their pages; a folder's name is left without one."""

    def led(match: re.Match[str]) -> str:
        words, target, anchor = match.group(1), match.group(2), match.group(3) or ""
        if "://" in target or not target:
            return match.group(0)
        place = Path(os.path.normpath(folder / target))
        if place.is_relative_to(root) and (name := str(place.relative_to(root))) in SHOWN:
            return f"[{words}]({SHOWN[name]}{anchor})"
        if place.parent == root / "docs":
            return f"[{words}]({place.name}{anchor})"
        return words if place.is_dir() else match.group(0)

    return _LINK.sub(led, text)


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = led_to_pages(source[0], Path(app.srcdir))


def _include(app: Sphinx, path: Path, page: str, content: list[str]) -> None:
    content[0] = led_to_pages(content[0], (Path(app.srcdir) / path).parent)


def _docstring(
    app: Sphinx, what: str, name: str, found: object, options: Any, lines: list[str]
) -> None:
    """Say in napoleon's terms what our docstrings say in a line: errors, shapes, examples."""
    lines[:] = [each for line in lines for each in _errors(line)]
    lines[:] = [re.sub(r"(?<=[\[ ])\*(?=\w)", r"\\*", line) for line in lines]
    if "Example:" in lines:
        at = lines.index("Example:")
        lines[at : at + 1] = [".. rubric:: Example", "", ".. code-block:: python"]


def _errors(line: str) -> list[str]:
    """One line for each error of several that are raised."""
    indent = line[: len(line) - len(line.lstrip())]
    return re.sub(r"(?<=\.) (?=[A-Z]\w*(?:Error|Interrupt): )", f"\n{indent}", line).split("\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive, and what is done to pages and docstrings as they are read."""
    app.add_directive("generated", Generated)
    app.connect("source-read", _read)
    app.connect("include-read", _include)
    app.connect("autodoc-process-docstring", _docstring, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
