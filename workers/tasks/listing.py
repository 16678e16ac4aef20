"""Names in a message: a few of them, however many there are."""

import difflib
from collections.abc import Sequence

_MOST = 12
_MOST_SIZES = 5


def others(names: Sequence[str], sizes: Sequence[int]) -> str:
    """Of several that are too small, in brackets how many they are, and a few with their sizes."""
    if len(names) < 2:
        return ""
    told = [f"{name!r} ({size})" for name, size in zip(names, sizes, strict=True)][:_MOST_SIZES]
    more = ", ..." if len(names) > _MOST_SIZES else ""
    return f" (so it is with {len(names)}: {', '.join(told)}{more})"


def listed(names: Sequence[str], wanted: str | None = None, *, quoted: bool = True) -> str:
    """'a', 'b', 'c'; of many the first, those that are like `wanted`, and how many there are."""
    told = repr if quoted else str
    if len(names) <= _MOST:
        return ", ".join(map(told, names))
    like = difflib.get_close_matches(wanted, names, n=3) if wanted and len(names) < 10_000 else []
    shown = [*like, *(name for name in names[: _MOST // 2] if name not in like)]
    return f"{', '.join(map(told, shown))}, ... ({len(names)} in all)"
