"""Opening a URI such as s3://bucket/runs/a: soon, and with a refusal in one line."""

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
    """pyarrow's filesystem of a URI, and the folder there. It has answered once.

    Raises:
      ValueError: there is no such filesystem, it does not answer, or it lets us not in.
    """
    if location.startswith("s3://"):
        _pass_over_a_silent_metadata_service()
    try:
        filesystem, root = fs.FileSystem.from_uri(_with_escapes(location))
        filesystem.get_file_info(root)
    except Exception as error:
        raise ValueError(f"{location} cannot be opened: {reason(error)}") from None
    return filesystem, root


def reason(error: BaseException) -> str:
    """An error of a filesystem in one line: the system's own words, or pyarrow's."""
    number = getattr(error, "errno", None)
    text = redact(" ".join((os.strerror(number) if number else str(error)).split())).rstrip(".")
    if any(word in text for word in _DENIED):
        text += (
            "; give credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, a "
            "profile in ~/.aws, or a role of the instance"
        )
    return text


def _with_escapes(location: str) -> str:
    """A URI as it is typed, with the letters that URIs do not have as %XX; pyarrow takes no others.

    What is typed as %XX already stays.
    """
    return _NOT_IN_URIS.sub(lambda found: quote(found[0], safe=""), location)


def _pass_over_a_silent_metadata_service() -> None:
    """Tell AWS's library not to ask a service of EC2 that does not answer.

    Where no credentials are set it asks for a role before each request, which takes it many seconds
    wherever the address leads nowhere.
    """
    if os.environ.get("AWS_EC2_METADATA_DISABLED"):
        return
    service = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _METADATA_SERVICE).rstrip("/")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(f"{service}/latest/meta-data/", timeout=_METADATA_LIMIT_S).close()
    except urllib.error.HTTPError as refused:  # it is there, and wants a token
        refused.close()
    except (OSError, ValueError, http.client.HTTPException):
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
