"""The retention of checkpoints: the newest ones and the best are kept."""

from collections.abc import Callable
from typing import Any

from orchestrator.storage import checkpoint
from orchestrator.storage.object_store import reason
from orchestrator.storage.storage import Storage


class Retention:
    """The retention of a run's checkpoints, which reads none of them twice.

    A checkpoint that did not verify when the run was opened is neither counted nor deleted: the
    fault may be in reading it. Rests of interrupted writes and deletions are deleted.
    """

    def __init__(self, storage: Storage, keep: int, notify: Callable[[str], None]):
        """Keep the newest `keep` and the best; `notify` takes a line for each failed deletion."""
        self._storage, self._keep, self._notify = storage, keep, notify
        self._validations: dict[str, dict[str, Any]] = {}
        self._doomed: set[str] = set()
        self._opened = False
        self._reported: set[str] = set()

    def open(self) -> None:
        """Survey the existing checkpoints once; if that fails, the next call tries again."""
        if self._opened:
            return
        try:
            statuses = checkpoint.survey(self._storage)
            self._doomed |= set(checkpoint.unfinished(self._storage))
        except OSError as error:
            self._say("checkpoints", f"cannot be listed: {reason(error)}")
            return
        for status in statuses:
            if status.manifest is not None and not status.problem:
                self._validations.setdefault(status.name, status.manifest.validation)
        self._opened = True

    def add(self, name: str, validation: dict[str, Any]) -> None:
        """Note that a checkpoint was written."""
        self._validations[name] = validation
        self._doomed.discard(name)

    def prune(self) -> None:
        """Delete the checkpoints that need not stay; the next call retries failed deletions."""
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
        if name not in self._reported:
            self._reported.add(name)
            self._notify(f"{self._storage.location}: {name} {problem}")
