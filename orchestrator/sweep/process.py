"""The process of trials: what it keeps for the next trial, and when it must be replaced."""

import gc
from typing import TYPE_CHECKING

from orchestrator.config.schema import MetaConfig
from workers.execution.process_memory import resident_bytes
from workers.tasks.family import TaskFamily, digests_of

if TYPE_CHECKING:  # imports TensorFlow, before which the runtime must be set
    from workers.block import BlockRunner

# XLA keeps all compiled code until the process ends: some 15 MB for each small trial.
_MOST_GROWTH_BYTES = 300_000_000


class TrialProcess:
    """The state of a process in which trials run one after another.

    is_worn: whether it has grown so much that the next trial needs another process.
    """

    def __init__(self, most_growth_bytes: int = _MOST_GROWTH_BYTES):
        self._most_growth_bytes = most_growth_bytes
        self._first_bytes: int | None = None
        self._key = ""
        self._runner: BlockRunner | None = None
        self.is_worn = False

    def runner(self, config: MetaConfig, family: TaskFamily) -> "BlockRunner":
        """Return a runner, which is the last trial's if it would compute the same.

        So trials that differ only in the outer update compile once. A user's model is built again,
        because its file may have changed.
        """
        from workers.block import BlockRunner

        if not self._key:
            gc.freeze()  # modules, which are half a million objects, are never garbage
        key = f"{config.worker.model_dump_json()} {family.digest} {digests_of(family)}"
        if config.model.is_users or key != self._key or self._runner is None:
            self._runner = None
            gc.collect()  # one model at a time
            self._key, self._runner = key, BlockRunner(config.worker, family)
        return self._runner

    def end_trial(self) -> None:
        """Free the graphs of a closed trial, which are cycles, and set `is_worn` by what stays."""
        gc.collect()
        resident = resident_bytes()
        if self._first_bytes is None:
            self._first_bytes = resident
        self.is_worn = resident - self._first_bytes > self._most_growth_bytes


#: The state of this process.
THIS_PROCESS = TrialProcess()
