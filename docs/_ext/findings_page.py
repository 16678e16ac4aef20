"""One line for each script of findings/, from its head."""

import re
from pathlib import Path

from markdown import plain

FOLDER = Path(__file__).parents[2] / "findings"


def text() -> str:
    """A list: the script, what it runs, what happens."""
    return "\n".join(_line(script) for script in sorted(FOLDER.glob("*.sh")))


def _line(script: Path) -> str:
    told = _head(script)
    happens = re.split(r"(?<=[a-z0-9`)])[.:] ", told["What happens"] + " ")[0].rstrip(". ")
    link = f"[`{script.name}`](../findings/{script.name})"
    return f"- {link} ({plain(told['Version'])}): {plain(told['What'])} *{plain(happens)}.*"


def _head(script: Path) -> dict[str, str]:
    """What stands behind `# Word:` in the comment at the head, its lines joined."""
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
