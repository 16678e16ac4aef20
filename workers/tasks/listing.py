"""Lists of names in messages, cut to a few."""

import difflib
from collections.abc import Sequence

_MOST = 12
_MOST_SIZES = 5


def others(names: Sequence[str], sizes: Sequence[int]) -> str:
    """Say in brackets how many are too small, with the names and sizes of a few; "" for one."""
    if len(names) < 2:
        return ""
    shown = [f"{name!r} ({size})" for name, size in zip(names, sizes, strict=True)][:_MOST_SIZES]
    more = ", ..." if len(names) > _MOST_SIZES else ""
    return f" ({len(names)} are too small: {', '.join(shown)}{more})"


def listed(names: Sequence[str], wanted: str | None = None, *, quoted: bool = True) -> str:
    """List names: 'a', 'b', 'c'.

    Of more than 12 it lists those similar to `wanted`, then the first few, then the total.
    """
    form = repr if quoted else str
    if len(names) <= _MOST:
        return ", ".join(map(form, names))
    like = difflib.get_close_matches(wanted, names, n=3) if wanted and len(names) < 10_000 else []
    shown = [*like, *(name for name in names[: _MOST // 2] if name not in like)]
    return f"{', '.join(map(form, shown))}, ... ({len(names)} in all)"
