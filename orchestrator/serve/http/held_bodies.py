"""How many bytes of bodies a replica holds: those that arrive, and those that wait."""

import contextlib
from collections.abc import Callable, Iterator

from orchestrator.serve.request_error import RequestError


class HeldBodies:
    """The bodies of requests that are not answered yet.

    num_bytes: of all of them.
    """

    def __init__(self, most_bytes: int):
        """`most_bytes`: of all bodies; a single one may be larger."""
        self._most_bytes, self.num_bytes = most_bytes, 0

    @contextlib.contextmanager
    def of_request(self) -> Iterator[Callable[[int], None]]:
        """Return a function that counts bytes of a request, until the end of the context.

        It raises RequestError if there are too many of several requests together.
        """
        own = 0

        def add(number: int) -> None:
            nonlocal own
            if self.num_bytes > own and self.num_bytes + number > self._most_bytes:
                raise RequestError(
                    503,
                    f"requests of {self.num_bytes / 2**20:.3g} MiB are not answered yet, and "
                    f"{self._most_bytes / 2**20:g} may be; try again in a second",
                    {"Retry-After": "1"},
                )
            own += number
            self.num_bytes += number

        try:
            yield add
        finally:
            self.num_bytes -= own
