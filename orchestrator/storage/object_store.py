"""The opening of URIs such as s3://bucket/runs/a, without long waits and with one-line errors."""

import http.client
import os
import re
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from pyarrow import fs

from orchestrator.text.redact import redact

_METADATA_SERVICE = "http://169.254.169.254"
_METADATA_LIMIT_S = 1.0
_NOT_IN_URIS = re.compile(r"""%(?![0-9A-Fa-f]{2})|[^!-~]|[][\\^`{|}<>"]""")
_DENIED = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_CLIENT")


def open_uri(location: str) -> tuple[Any, str]:
    """Open a URI, and check that its filesystem answers.

    Returns:
      pyarrow's filesystem, and the folder in it.
    Raises:
      ValueError: there is no such filesystem, it does not answer, or it denies access.
    """
    if location.startswith("s3://"):
        _disable_silent_metadata_service()
    try:
        filesystem, root = fs.FileSystem.from_uri(_with_escapes(location))
        filesystem.get_file_info(root)
    except Exception as error:
        raise ValueError(f"{location} cannot be opened: {reason(error)}") from None
    return filesystem, root


def reason(error: BaseException) -> str:
    """Return an error of a filesystem in one line, in the words of the system or of pyarrow."""
    number = getattr(error, "errno", None)
    text = redact(" ".join((os.strerror(number) if number else str(error)).split())).rstrip(".")
    if any(word in text for word in _DENIED):
        text += (
            "; give credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, a "
            "profile in ~/.aws, or a role of the instance"
        )
    return text


def _with_escapes(location: str) -> str:
    """Escape the characters of a typed URI that URIs do not have as %XX, as pyarrow requires.

    Escapes that were typed are kept.
    """
    return _NOT_IN_URIS.sub(lambda match: quote(match[0], safe=""), location)


def _disable_silent_metadata_service() -> None:
    """Disable the EC2 metadata service in AWS's library if it does not answer.

    Without credentials the library asks that service for a role before each request, which takes
    many seconds where nothing answers at its address.
    """
    if os.environ.get("AWS_EC2_METADATA_DISABLED"):
        return
    service = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _METADATA_SERVICE).rstrip("/")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(f"{service}/latest/meta-data/", timeout=_METADATA_LIMIT_S).close()
    except urllib.error.HTTPError as refused:  # it answers, and wants a token
        refused.close()
    except (OSError, ValueError, http.client.HTTPException):
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
