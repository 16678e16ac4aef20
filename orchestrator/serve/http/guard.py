"""Who may ask: holders of the token, or, without one, whoever reaches the loopback interface."""

import hashlib
import hmac
import ipaddress
from typing import Any

from orchestrator.serve.http import page
from orchestrator.serve.request_error import RequestError

#: Paths that are answered without a token: none of them tells anything of the run.
OPEN_PATHS = (*page.FILES, "/health", "/openapi.json")
_LOCAL_NAMES = ("localhost", "ip6-localhost")


def digest_of(token: str) -> str:
    """Return the digest of a token, which replicas have in its place (see `forget_token`)."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host's name or address."""
    name = host.strip("[]").lower()
    if name in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Guard:
    """Checks the headers of requests.

    A page from elsewhere can have its own name resolved to 127.0.0.1, so that a browser on this
    machine asks the service for it. Then the header Host has that name: without a token, only names
    of the loopback interface are answered. A page from elsewhere can also send a request to
    127.0.0.1 itself. Then the header Origin has the page's address: without a token, only the
    service's own page is answered, and whoever sends no Origin, as programs do.
    """

    def __init__(self, token_digest: str):
        """`token_digest`: see `digest_of`; "": there is no token."""
        self._digest = token_digest

    @property
    def has_token(self) -> bool:
        """Whether clients must send a token."""
        return bool(self._digest)

    def check(self, path: str, headers: Any) -> None:
        """Check a request.

        Args:
          headers: a mapping with names in any case.
        Raises:
          RequestError: it has no token, or a wrong one, or a wrong Host or Origin.
        """
        if not self._digest:
            _check_from_here(headers.get("host", ""), headers.get("origin"))
            return
        if path in OPEN_PATHS:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = digest_of(token.strip()) if scheme.lower() == "bearer" else ""
        if not hmac.compare_digest(given, self._digest):
            what = "is wrong" if given else "is missing"
            raise RequestError(
                401,
                f"the token {what}; send the header Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )


def _check_from_here(host: str, origin: str | None) -> None:
    if not is_loopback(_without_port(host)):
        raise RequestError(403, f"Host: {host} is not this machine; ask for 127.0.0.1 or localhost")
    own = [f"{scheme}://{host}".lower() for scheme in ("http", "https")]
    if origin is not None and origin.lower() not in own:
        raise RequestError(
            403,
            f"Origin: {origin} is another page than this service's own at http://{host}; have the "
            "service started with a token, and send it",
        )


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0]
    return host.partition(":")[0]
