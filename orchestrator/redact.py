"""Secrets in what the user typed: they are used, and never shown."""

import re

# scheme://user:secret@host; a secret may hold slashes, so up to the last @.
_USER = re.compile(r"://[^\s@]*:\S*@")
_PARAMETER = re.compile(
    r"([?&][^=&\s]*(?:key|token|secret|password|sas|sig)[^=&\s]*=)[^&\s'\"]*", re.IGNORECASE
)


def redact(text: str) -> str:
    """`text` with *** for whatever stands before the @ of a URI, or in a parameter named so.

    Example:

        redact("s3://KEY:SECRET@bucket/run") == "s3://***@bucket/run"
    """
    return _PARAMETER.sub(r"\1***", _USER.sub("://***@", text))
