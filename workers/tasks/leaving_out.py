"""Advice to leave out small classes or tasks, and notes of those that are left out."""

from collections.abc import Sequence

_MOST_NAMED = 5


def or_left_out(left: int, least: int, setting: str, what: str = "classes") -> str:
    """Word the advice; "" if fewer than `least` would be left for the splits."""
    return f", or leave such {what} out: {setting}=leave_out" if left >= least else ""


def left_out_notes(names: Sequence[str], sizes: Sequence[int], needs: str, what: str) -> list[str]:
    """Write the note of classes or series that are too small, the smallest first; none: no note.

    Args:
      sizes: examples of each. needs: the shots and queries that they lack.
      what: the word for several of them, "classes" or "series".
    """
    if not names:
        return []
    order = sorted(range(len(names)), key=lambda i: sizes[i])[:_MOST_NAMED]
    named = ", ".join(f"{names[i]!r} ({sizes[i]})" for i in order)
    more = "" if len(names) <= _MOST_NAMED else ", ..."
    one = {"classes": "class"}.get(what, what)
    count = f"1 {one} has" if len(names) == 1 else f"{len(names)} {what} have"
    return [f"{count} too few examples for {needs}: left out, {named}{more} (task.small_classes)"]
