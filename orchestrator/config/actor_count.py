"""The number of actors that a run asks for: a number, a range, or auto."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from workers.settings.section import Section, setting

MOST_ACTORS = 4096
_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")


class CountRange(Section):
    """A range: as many actors as the cluster has room for, or can grow to."""

    min: int = setting(
        1, "actors that a run needs to start, 1 to 4096", bits=False, ge=1, le=MOST_ACTORS
    )
    max: int = setting(
        MOST_ACTORS,
        "actors requested from Ray's autoscaler, min to 4096",
        bits=False,
        ge=1,
        le=MOST_ACTORS,
    )

    def __str__(self) -> str:
        return f"{self.min}..{self.max}"


ActorCount = int | Literal["auto"] | CountRange


def parse_count(value: Any) -> ActorCount:
    """Take a number, 'auto', 'MIN..MAX', or a table of both.

    Raises:
      ValueError: one line that names the value and what is allowed.
    """
    if value == "auto" or isinstance(value, CountRange):
        return value
    if _is_count(value) and 0 <= value <= MOST_ACTORS:
        return int(value)
    least, most = _ends(value)
    if _is_count(least) and _is_count(most) and 1 <= least <= most <= MOST_ACTORS:
        return CountRange(min=least, max=most)
    raise ValueError(
        f"workers.count must be 0 to {MOST_ACTORS}, 'auto', or a range such as '2..8' or "
        f"{{min = 2, max = 8}}; got {value!r}"
    )


def _ends(value: Any) -> tuple[Any, Any]:
    """Return the ends of a range, or (None, None) if `value` is none."""
    if isinstance(value, str) and (match := _RANGE.fullmatch(value.replace(" ", ""))):
        return int(match[1]), int(match[2])
    if isinstance(value, Mapping) and value and value.keys() <= {"min", "max"}:
        return value.get("min", 1), value.get("max", MOST_ACTORS)
    return None, None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
