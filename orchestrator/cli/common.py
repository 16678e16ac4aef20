"""Names that several commands use: the two consoles, and the checks before a run starts."""

from orchestrator.reporting.notes import (
    NOTES,
    RESULTS,
    drawn_or_note,
    progress_bar,
    show_note,
    waiting,
    watch_every_s,
)
from orchestrator.run.opening import check_machine, open_family

__all__ = [
    "NOTES",
    "RESULTS",
    "check_machine",
    "drawn_or_note",
    "open_family",
    "progress_bar",
    "show_note",
    "waiting",
    "watch_every_s",
]
