"""One line for each script of findings/, from its head."""

import re
from pathlib import Path

from markdown_text import plain

_SHORT = 85
FOLDER = Path(__file__).parents[2] / "findings"


def text() -> str:
    """Return a list: the script, what it runs, what happens."""
    return "\n".join(_line(script) for script in sorted(FOLDER.glob("*.sh")))


def _line(script: Path) -> str:
    told = _head(script)
    happens = _begin(told["What happens"]).rstrip(".:")
    link = f"[`{script.name}`](../findings/{script.name})"
    return f"- {link} ({plain(told['Version'])}): {plain(told['What'])} *{plain(happens)}.*"


def _begin(text: str) -> str:
    """Return the first sentence, or two if the first is short."""
    ends = [each.end() for each in re.finditer(r"(?<=[a-z0-9`)])[.:](?= |$)", text)]
    return text[: next((end for end in ends if end > _SHORT), len(text))]


def _head(script: Path) -> dict[str, str]:
    """Map each `# Word:` in the comment at the head to its text, lines joined."""
    told: dict[str, str] = {}
    word = ""
    for line in script.read_text().splitlines()[1:]:
        if not line.startswith("#"):
            break
        line = line.removeprefix("#").strip()
        found = re.match(r"(What|Guess|What happens|Version|Where it matters): (.*)", line)
        if found:
            word, line = found.groups()
        told[word] = f"{told.get(word, '')} {line}".strip()
    return told
