"""Which checkpoints stay: the newest ones, and the best."""

from collections.abc import Callable
from typing import Any

from orchestrator.storage import checkpoint
from orchestrator.storage.object_store import reason
from orchestrator.storage.storage import Storage


class Retention:
    """Knows from what is written which checkpoints are whole: nothing is read twice.

    One that did not verify when the run was opened is left alone, and counts as none: the fault may
    be in the reading of it. What an interrupted writing or deleting left behind is deleted.
    """

    def __init__(self, storage: Storage, keep: int, notify: Callable[[str], None]):
        """Keep the newest `keep` and the best; `notify` is told what cannot be deleted."""
        self._storage, self._keep, self._notify = storage, keep, notify
        self._validations: dict[str, dict[str, Any]] = {}
        self._doomed: set[str] = set()
        self._opened = False
        self._said: set[str] = set()

    def open(self) -> None:
        """Look once at what is there already; again at the next call if that fails."""
        if self._opened:
            return
        try:
            found = checkpoint.survey(self._storage)
            self._doomed |= set(checkpoint.unfinished(self._storage))
        except OSError as error:
            self._say("checkpoints", f"cannot be listed: {reason(error)}")
            return
        for each in found:
            if each.manifest is not None and not each.problem:
                self._validations.setdefault(each.name, each.manifest.validation)
        self._opened = True

    def add(self, name: str, validation: dict[str, Any]) -> None:
        """A checkpoint was written."""
        self._validations[name] = validation
        self._doomed.discard(name)

    def prune(self) -> None:
        """Delete what need not stay; what cannot be deleted now is tried again at the next call."""
        names = sorted(self._validations, key=checkpoint.step_of)
        kept = {*names[-self._keep :], checkpoint.best_of(self._validations)}
        for name in names:
            if name not in kept:
                del self._validations[name]
                self._doomed.add(name)
        for name in sorted(self._doomed):
            try:
                checkpoint.delete(self._storage, name)
                self._doomed.discard(name)
            except OSError as error:
                self._say(name, f"cannot be deleted: {reason(error)}; trying again at each save")

    def _say(self, name: str, problem: str) -> None:
        if name not in self._said:
            self._said.add(name)
            self._notify(f"{self._storage.location}: {name} {problem}")
