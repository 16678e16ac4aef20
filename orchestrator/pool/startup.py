"""The wait for actors before a run begins."""

import math
from collections.abc import Callable

from orchestrator.pool.actor_set import ActorSet
from orchestrator.pool.backend import Backend

# A run begins without actors that take longer than both: these seconds, and this multiple of the
# first actor's time.
_LEFT_BEHIND_S = 30.0
_SLOWER_START = 3.0


class StartupBarrier:
    """The wait for the first `least` actors, without the stragglers among them."""

    def __init__(
        self, backend: Backend, actors: ActorSet, least: int, notify: Callable[[str], None]
    ):
        self._backend, self._actors, self._least, self._notify = backend, actors, least, notify
        self._began, self._first_s = backend.now(), math.inf
        self._has_notified = False

    def is_waiting(self) -> bool:
        """Tell whether to wait longer; notify the user of a long wait and of stragglers."""
        num_ready = len(self._actors.ready)
        if self._actors.complete or num_ready >= self._least:
            return False
        waited_s = self._backend.now() - self._began
        if num_ready:
            self._first_s = min(self._first_s, waited_s)
        if waited_s > max(_LEFT_BEHIND_S, _SLOWER_START * self._first_s):
            self._notify(
                f"continuing with {num_ready} of {len(self._actors.actors)} actors: the others "
                "have no machine yet, or are slow to start; they join when they are ready"
            )
            return False
        if waited_s > _LEFT_BEHIND_S and not self._has_notified and not self._actors.placed:
            self._has_notified = True
            self._notify("no machine has room for an actor yet: waiting")
        return True
