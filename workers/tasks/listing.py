"""Names in a message: a few of them, however many there are."""

import difflib
from collections.abc import Sequence

_MOST = 12


def listed(names: Sequence[str], wanted: str | None = None, most: int = _MOST) -> str:
    """'a', 'b', 'c'; of many the first, those that are like `wanted`, and how many there are."""
    if len(names) <= most:
        return ", ".join(map(repr, names))
    like = difflib.get_close_matches(wanted, names, n=3) if wanted and len(names) < 10_000 else []
    shown = [*like, *(name for name in names[: most // 2] if name not in like)]
    return f"{', '.join(map(repr, shown))}, ... ({len(names)} in all)"
