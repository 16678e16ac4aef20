"""Pieces of Markdown."""

import re

_SPECIAL = re.compile(r"([\\*_{}\[\]<>|#])")


def plain(text: str) -> str:
    """Escape what Markdown would take for something else; code between backticks stays."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if i % 2 else _SPECIAL.sub(r"\\\1", part) for i, part in enumerate(parts))


def sentence(text: str) -> str:
    """Escape; begin with a capital and end with a full stop."""
    text = " ".join(text.split())
    if not text:
        return ""
    first = text.split()[0]
    starts = (
        text if first != first.lower() or not first[0].isalpha() else text[0].upper() + text[1:]
    )
    return plain(starts if starts[-1] in ".!?" else starts + ".")


def term(name: str, remarks: list[str], meaning: str) -> str:
    """One entry of a list of definitions."""
    return f"`{name}`{''.join(f' · {remark}' for remark in remarks if remark)}\n: {meaning}\n"
