"""What is wrong with a request: an HTTP status, and one line for whoever sent it."""

from collections.abc import Mapping
from types import MappingProxyType

from workers.wire.errors import NonFiniteError

_MOST_CHARACTERS = 500


class RequestError(Exception):
    """A request that is not answered as asked.

    status: of HTTP, 400 or above.
    line: what, which value, what is allowed, what to do.
    headers: to send along.
    """

    def __init__(self, status: int, line: str, headers: Mapping[str, str] = MappingProxyType({})):
        super().__init__(status, line)
        self.status, self.line, self.headers = status, one_line(line), dict(headers)

    def __reduce__(self) -> tuple[type["RequestError"], tuple[int, str, dict[str, str]]]:
        """Pickle the arguments."""
        return RequestError, (self.status, self.line, self.headers)


def one_line(text: str) -> str:
    """Put a text on one line of bounded length that any client can print."""
    line = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 4]} ..."


def request_error_of(error: Exception) -> RequestError:
    """Return the problem that an error of adapting is to a client.

    Wrong examples are 422. What else went wrong is 500, without details of this machine.
    """
    if isinstance(error, RequestError):
        return error
    if isinstance(error, NonFiniteError):
        return RequestError(
            422,
            "the predictions are not finite after adapting; look for extreme values in the "
            "support set, or have the service started with a lower --inner-lr",
        )
    if isinstance(error, ValueError):
        return RequestError(422, str(error))
    return RequestError(500, "the service failed to answer; its log has the error")
