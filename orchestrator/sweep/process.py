"""What the process of a trial keeps for the next one, and when it has had enough of them."""

import ctypes
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.config.schema import MetaConfig
from workers.tasks.family import TaskFamily

if TYPE_CHECKING:  # imports TensorFlow, before which the runtime must be set
    from workers.block import BlockRunner

# XLA keeps all that it has compiled until the process ends: some 15 MB for each small trial.
_MOST_GROWTH_BYTES = 300_000_000


class TrialProcess:
    """One for each process that trials run in, one after another."""

    def __init__(self, most_growth_bytes: int = _MOST_GROWTH_BYTES):
        self._most_growth_bytes = most_growth_bytes
        self._first_bytes: int | None = None
        self._key = ""
        self._runner: BlockRunner | None = None
        self.is_worn = False

    def runner(self, config: MetaConfig, family: TaskFamily) -> "BlockRunner":
        """As the last trial had it, if this one differs in nothing that it computes with.

        So trials that differ in the outer update alone compile once. A user's model is built anew:
        its file may have changed.
        """
        from workers.block import BlockRunner

        key = f"{config.worker.model_dump_json()} {family.digest}"
        if config.model.is_users or key != self._key or self._runner is None:
            self._runner = None
            gc.collect()  # one model at a time
            self._key, self._runner = key, BlockRunner(config.worker, family)
        return self._runner

    def rest(self) -> None:
        """A trial is closed: its graphs go, which are cycles, and what stays is measured.

        is_worn: whether so much has stayed that the next trial needs a process of its own.
        """
        gc.collect()
        resident = _resident_bytes()
        if self._first_bytes is None:
            self._first_bytes = resident
        self.is_worn = resident - self._first_bytes > self._most_growth_bytes


def give_back() -> None:
    """Freed memory goes back to the system, which glibc keeps between blocks still in use.

    What Tune saves holds all trials, as text, each time: the holes that it leaves grow with them.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other libraries have none
    if trim is not None:
        trim(0)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


#: This process.
HERE = TrialProcess()
