"""README.md and the pages of docs/: their code blocks, links, headings and sentences."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", *DOCS]

_FENCE = re.compile(r"^( *)```.*?^\1```$", re.M | re.S)
_LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]*)\)")
_ITEM = re.compile(r"^ *(?:[-*>]|\d+\.|:) +")
# A full stop here ends no sentence.
_ABBREVIATION = re.compile(r"\b(et al|e\.g|i\.e|vs|cf|etc)\.")
_END = re.compile(r"(?<=[.!?])[\"'*)]*\s+(?=[\"'*(\[`]*[A-Z0-9`])")


@cache
def text(page: Path) -> str:
    """What stands in the file."""
    return page.read_text()


def everything() -> str:
    """All pages in one."""
    return "\n".join(map(text, PAGES))


def block(marker: str, language: str = "sh") -> str:
    """The code below `<!-- marker -->`, in whichever page has it; just one has."""
    pattern = rf"<!-- {marker} -->\n```{language}\n(.*?)\n```"
    found = [code for page in PAGES for code in re.findall(pattern, text(page), re.S)]
    assert len(found) == 1, f"{marker}: {len(found)} blocks"
    return found[0]


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, code) of all code blocks of that language."""
    pattern = rf"^```{language}\n(.*?)^```$"
    found = []
    for page in PAGES:
        found += [(page.name, code) for code in re.findall(pattern, text(page), re.S | re.M)]
    return found


def without_code(words: str) -> str:
    """Without fenced blocks and comments."""
    return re.sub(r"<!--.*?-->", "", _FENCE.sub("", words), flags=re.S)


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead that lead nowhere outside the repository."""
    found = [target for _, target in _LINK.findall(without_code(text(page)))]
    return [target for target in found if "://" not in target]


@cache
def anchors(page: Path) -> frozenset[str]:
    """What may stand behind `#`: the headings, as GitHub and MyST make names of them."""
    found: list[str] = []
    for heading in re.findall(r"^#+ +(.*)$", _FENCE.sub("", text(page)), re.M):
        name = _LINK.sub(r"\1", heading).replace("`", "").strip().lower()
        name = re.sub(r"[^\w\- ]", "", name).replace(" ", "-")
        found.append(name if name not in found else f"{name}-{found.count(name)}")
    return frozenset(found)


def sentences(words: str) -> list[str]:
    """The sentences of a text in Markdown: of paragraphs, entries of lists, and cells of tables.

    Code, headings and the targets of links are no words; `code in a line` is one.
    """
    paragraphs: list[str] = [""]
    for line in without_code(words).splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", ":::", "```")) or _is_code(line, paragraphs):
            paragraphs.append("")
        elif stripped.startswith("|"):
            paragraphs += [*re.split(r"(?<!\\)\|", stripped.strip("|")), ""]
        elif _ITEM.match(line):
            paragraphs.append(_ITEM.sub("", line))
        else:
            paragraphs[-1] += f" {stripped}"
    return [each for paragraph in paragraphs for each in _sentences(paragraph)]


def _is_code(line: str, paragraphs: list[str]) -> bool:
    """Whether it is an indented block, which cannot begin within a paragraph."""
    return line.startswith("    ") and not paragraphs[-1]


def _sentences(paragraph: str) -> list[str]:
    plain = re.sub(r"`[^`]*`", "`code`", _LINK.sub(r"\1", paragraph))
    plain = _ABBREVIATION.sub(r"\1", plain)
    return [each.strip() for each in _END.split(plain) if re.search(r"\w", each)]


def count(sentence: str) -> int:
    """The number of its words."""
    return sum(bool(re.search(r"\w", word)) for word in sentence.split())
