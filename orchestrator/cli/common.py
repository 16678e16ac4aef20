"""Names that several commands use: the two consoles, and the checks before a run starts."""

from orchestrator.reporting.notes import (
    NOTES,
    RESULTS,
    decoding,
    drawn_or_note,
    show_note,
    waiting,
    watch_every_s,
)
from orchestrator.run.opening import check_machine, open_family

__all__ = [
    "NOTES",
    "RESULTS",
    "check_machine",
    "decoding",
    "drawn_or_note",
    "open_family",
    "show_note",
    "waiting",
    "watch_every_s",
]
