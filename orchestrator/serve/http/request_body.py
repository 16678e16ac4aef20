"""The body of a request: of bounded size, in a known type."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from orchestrator.serve.examples import Examples
from orchestrator.serve.http.bodies import arrow_body, files_body, json_body
from orchestrator.serve.request_error import RequestError

_TYPES = (json_body.TYPE, arrow_body.TYPE, files_body.TYPE)
_LONGEST_S = 60.0


class Body(NamedTuple):
    """A body that has arrived. kind: its type. headers: of the request."""

    kind: str
    headers: Headers
    content: bytes

    async def examples(self, most: int) -> Examples:
        """Read the examples.

        Args:
          most: in a support set, and in a query set.
        Raises:
          RequestError: it is not what its type says.
        """
        if self.kind == files_body.TYPE:
            return await _read_form(self.headers, self.content, 2 * most)
        if self.kind == arrow_body.TYPE:
            return await asyncio.to_thread(arrow_body.read_arrow, self.content, 2 * most)
        return await asyncio.to_thread(json_body.read_json, self.content)


async def read_body(request: Request, most: int, count: Callable[[int], None]) -> Body:
    """Read the body of a request.

    Args:
      most: bytes of it.
      count: called with the number of bytes of each part before it is kept; see `HeldBodies`.
    Raises:
      RequestError: it is too large, too slow, or of another type.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _TYPES:
        shown = f"Content-Type: {kind}" if kind else "no Content-Type"
        raise RequestError(415, f"{shown}; send {', '.join(_TYPES)}")
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise RequestError(415, f"Content-Encoding: {encoding}; send the body as it is")
    content = await _read(request, most, count)
    if not content:
        raise RequestError(400, "the body is empty; send examples")
    return Body(kind, request.headers, content)


async def _read(request: Request, most: int, count: Callable[[int], None]) -> bytes:
    too_large = RequestError(
        413, f"the body is larger than {most / 2**20:g} MiB; send fewer examples at once"
    )
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise too_large
    content = bytearray()
    try:
        async with asyncio.timeout(_LONGEST_S):
            async for part in request.stream():
                if len(content) + len(part) > most:
                    raise too_large
                count(len(part))
                content += part
    except TimeoutError:
        raise RequestError(
            408, f"the body took more than {_LONGEST_S:g} s to arrive; send it faster"
        ) from None
    except ClientDisconnect:
        raise RequestError(400, "the client went away before its body had arrived") from None
    return bytes(content)


async def _read_form(headers: Headers, content: bytes, most_files: int) -> Examples:
    async def stream() -> AsyncIterator[bytes]:
        yield content

    parser: Any = MultiPartParser(headers, stream(), max_files=most_files, max_fields=8)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise RequestError(400, f"the body is not multipart/form-data ({error.message})") from None
    except (KeyError, UnicodeDecodeError, ValueError) as error:
        raise RequestError(
            400, f"the body is not multipart/form-data (no or a wrong boundary: {error})"
        ) from None
    try:
        return await files_body.read_files(form)
    finally:
        await form.close()
