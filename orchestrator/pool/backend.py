"""The contract of a backend, which makes actors: the seam between the pool's logic and Ray."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from workers.wire.protocol import Block, Weights
from workers.wire.remote_contribution import RemoteContribution


@dataclass(frozen=True, slots=True)
class Machines:
    """The machines of the cluster at this moment.

    slots: number of actors that fit on machines that stay.
    draining: ids of the machines that are being drained.
    """

    slots: int
    draining: frozenset[str]


class BackendError(Exception):
    """The base of errors of a call that has no answer."""


class ActorDiedError(BackendError):
    """The error of a call whose actor died.

    preempted: whether its machine had announced that it would go away.
    """

    def __init__(self, why: str, preempted: bool = False):
        super().__init__(why)
        self.preempted = preempted


class CallLostError(BackendError):
    """The error of a call that will get no answer, although its actor may be alive."""


class CallRaisedError(BackendError):
    """The error of a call whose code in the actor raised `cause`."""

    def __init__(self, cause: BaseException):
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.cause = cause


class Backend(Protocol):
    """The contract of a backend: it makes actors and calls them.

    Handles and calls are opaque to everybody else. Methods that start a call return a reference to
    it at once; `wait` and `answer` take that reference.
    """

    def start(self, avoid: Sequence[str]) -> Any:
        """Start an actor where there is room, but not on the machines in `avoid`.

        Returns:
          its handle.
        """

    def end(self, handle: Any) -> None:
        """Kill an actor."""

    def place(self, handle: Any) -> Any:
        """Start a call whose answer is the actor's `Place`, as soon as it has one."""

    def build(self, handle: Any, examples: Sequence[Block]) -> Any:
        """Start a call whose answer is `Built`, once the model and the examples are compiled."""

    def share(self, weights: Weights) -> Any:
        """Return the weights in the form that `run` takes."""

    def run(self, handle: Any, weights: Any, blocks: Sequence[Block]) -> Any:
        """Start a call whose answer is the contribution of a node of the tree."""

    def run_and_keep(self, handle: Any, weights: Any, blocks: Sequence[Block]) -> tuple[Any, Any]:
        """Start a call that leaves the vectors of its contribution on the actor.

        Returns:
          the call, whose answer is a `RemoteContribution`, and the one for the kept `Vectors`.
        """

    def add(
        self,
        handle: Any,
        parts: Sequence[RemoteContribution],
        vectors: Sequence[Any],
        limit_s: float,
    ) -> tuple[Any, Any]:
        """Start a call that adds kept contributions, and keeps the sum as `run_and_keep` does.

        The call raises PartLostError if the vectors of a part do not come.

        Args:
          parts: answers of the calls whose contributions are added.
          vectors: references to the vectors that are kept for the parts.
          limit_s: seconds that the actor waits for them.
        """

    def wait(self, calls: Sequence[Any], timeout_s: float) -> list[Any]:
        """Wait until some of `calls` are answered and list these; empty only after `timeout_s`."""

    def answer(self, call: Any) -> Any:
        """Return the answer to a call.

        Raises:
          ActorDiedError, CallLostError, CallRaisedError: it has none.
        """

    def machines(self) -> Machines:
        """Return the machines of the cluster at this moment."""

    def now(self) -> float:
        """Return the seconds on a clock that never goes back."""
