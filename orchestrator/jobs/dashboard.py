"""The address of a cluster's dashboard."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from orchestrator.text.redact import redact

DEFAULT = "http://127.0.0.1:8265"


def dashboard_address(option: str | None, environment: Mapping[str, str]) -> str:
    """Return the dashboard's address, without a slash at its end.

    Args:
      option: --address; None: RAY_API_SERVER_ADDRESS, else RAY_ADDRESS if it is a dashboard's,
        else this machine's, to which a port of the head may be forwarded.
      environment: the environment variables.
    Raises:
      ValueError: it is not an http address.
    """
    if option is not None:
        return _checked("--address", option)
    if address := environment.get("RAY_API_SERVER_ADDRESS"):
        return _checked("RAY_API_SERVER_ADDRESS", address)
    if (address := environment.get("RAY_ADDRESS", "")).startswith(("http://", "https://")):
        return _checked("RAY_ADDRESS", address)
    return DEFAULT


def _checked(name: str, address: str) -> str:
    remedy = f"give the dashboard's, for example {DEFAULT}"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(
            f"{name} = {redact(address)!r} is not an address: {error}; {remedy}"
        ) from None
    if parts.scheme not in ("http", "https"):
        ray = parts.scheme == "ray"
        why = "is Ray Client's" if ray else "does not begin with http:// or https://"
        raise ValueError(f"{name} = {redact(address)!r} {why}; {remedy}")
    if not host or port == 0 or any(mark.isspace() for mark in address):
        raise ValueError(f"{name} = {redact(address)!r} names no host and port; {remedy}")
    if parts.query or parts.fragment:
        raise ValueError(f"{name} = {redact(address)!r} has more than a host and a path; {remedy}")
    return address.rstrip("/")
