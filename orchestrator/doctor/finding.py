"""A finding of the doctor: one line of its report."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["well", "note", "warning", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A result of the doctor.

    what: the checked thing.
    found: the result.
    verdict: "broken" if a run could not work; "warning" if it could be slow or fail; "note" if no
      action is needed; else "well".
    advice: what to do about it.
    """

    what: str
    found: str
    verdict: Verdict = "well"
    advice: str = ""


def any_broken(findings: Iterable[Finding]) -> bool:
    """Return whether a finding says that a run could not work."""
    return any(finding.verdict == "broken" for finding in findings)
