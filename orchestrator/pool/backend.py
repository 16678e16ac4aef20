"""What the pool needs of whoever makes actors: the seam between its logic and Ray."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from workers.wire.protocol import Block, Weights
from workers.wire.remote_contribution import RemoteContribution


@dataclass(frozen=True, slots=True)
class Machines:
    """The cluster now. slots: actors that fit on machines that stay; draining: ids of others."""

    slots: int
    draining: frozenset[str]


class BackendError(Exception):
    """A call that has no answer."""


class ActorDiedError(BackendError):
    """The actor is gone, and what it was to answer. preempted: as announced by its machine."""

    def __init__(self, why: str, preempted: bool = False):
        super().__init__(why)
        self.preempted = preempted


class CallLostError(BackendError):
    """No answer will come to this call; the actor may be well."""


class CallRaisedError(BackendError):
    """The code in the actor raised `cause`."""

    def __init__(self, cause: BaseException):
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.cause = cause


class Backend(Protocol):
    """Makes actors and talks to them. Handles and calls mean something to the backend alone."""

    def start(self, avoid: Sequence[str]) -> Any:
        """The handle of a new actor, wherever there is room but on the machines to avoid."""

    def end(self, handle: Any) -> None:
        """Kill an actor."""

    def place(self, handle: Any) -> Any:
        """A call whose answer is a `Place`, as soon as the actor has one."""

    def build(self, handle: Any, examples: Sequence[Block]) -> Any:
        """A call whose answer is `Built`, when the model is built and the examples are traced."""

    def share(self, weights: Weights) -> Any:
        """The weights, in the form in which `run` takes them."""

    def run(self, handle: Any, weights: Any, blocks: Sequence[Block]) -> Any:
        """A call whose answer is the contribution of a node of the tree."""

    def run_and_keep(self, handle: Any, weights: Any, blocks: Sequence[Block]) -> tuple[Any, Any]:
        """A call whose answer is `RemoteContribution`, and one for what is kept: `Vectors`."""

    def add(
        self,
        handle: Any,
        parts: Sequence[RemoteContribution],
        vectors: Sequence[Any],
        limit_s: float,
    ) -> tuple[Any, Any]:
        """As `run_and_keep`, of the sum of what is kept; it raises PartLostError.

        Args:
          vectors: calls for what is kept of the parts. limit_s: how long the actor waits for them.
        """

    def wait(self, calls: Sequence[Any], timeout_s: float) -> list[Any]:
        """Those of `calls` that are answered; empty only after `timeout_s`."""

    def answer(self, call: Any) -> Any:
        """The answer to a call. Raises ActorDiedError, CallLostError or CallRaisedError."""

    def machines(self) -> Machines:
        """What the cluster is now."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
