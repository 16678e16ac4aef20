"""One line of what the doctor found."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["well", "note", "warning", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and what to do about it.

    verdict: "broken" if a run could not work; "warning" if it could be slow, or fail; "note" if
    nothing has to be done.
    """

    what: str
    found: str
    verdict: Verdict = "well"
    advice: str = ""


def any_broken(findings: Iterable[Finding]) -> bool:
    """Whether a run could not work."""
    return any(finding.verdict == "broken" for finding in findings)
