"""Checks of the cluster's addresses and of the token that would be sent, which is never shown."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.doctor.finding import Finding
from orchestrator.jobs.dashboard import dashboard_address
from orchestrator.text.redact import redact

Answers = Callable[[str, int], bool]

_CONNECT_S = 3.0
_HERE = ("", "auto", "local")
_REMEDY = "start the cluster, forward its port, or unset RAY_ADDRESS to run on this machine"


def answers(host: str, port: int) -> bool:
    """Return whether a server accepts connections at the address, within seconds."""
    try:
        with socket.create_connection((host, port), _CONNECT_S):
            return True
    except OSError:
        return False


def check_address(environment: Mapping[str, str], answers: Answers) -> Finding:
    """Check RAY_ADDRESS, the cluster on which `metatrain train` would start its actors."""
    address = environment.get("RAY_ADDRESS", "")
    shown = redact(address)
    if not address:
        return Finding("RAY_ADDRESS", "not set: actors run on this machine")
    if address in _HERE:
        return Finding("RAY_ADDRESS", f"{shown}: the Ray that runs on this machine")
    if address.startswith(("http://", "https://")):
        return Finding(
            "RAY_ADDRESS",
            f"{shown} is a dashboard: metatrain submit sends jobs there",
            "warning",
            "metatrain train cannot start actors with it: set RAY_API_SERVER_ADDRESS instead, and "
            "set RAY_ADDRESS to HOST:6379 or unset it",
        )
    host, port = _host_and_port(address)
    if address.startswith("ray://") or not host or not port:
        what = "is Ray Client's" if address.startswith("ray://") else "is no HOST:PORT"
        return Finding("RAY_ADDRESS", f"{shown} {what}", "broken", "give the head's HOST:6379")
    if not answers(host, port):
        return Finding("RAY_ADDRESS", f"nothing answers at {shown}", "broken", _REMEDY)
    return Finding("RAY_ADDRESS", f"{shown} answers")


def check_dashboard(environment: Mapping[str, str], answers: Answers) -> Finding:
    """Check the dashboard to which `metatrain submit` would send its jobs."""
    named = bool(environment.get("RAY_API_SERVER_ADDRESS"))
    named = named or environment.get("RAY_ADDRESS", "").startswith("http")
    try:
        address = dashboard_address(None, environment)
    except ValueError as error:
        return Finding("dashboard", str(error), "broken", "correct it, or unset it")
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if answers(parts.hostname or "", port):
        return Finding("dashboard", f"{redact(address)} answers, for metatrain submit")
    if not named:
        return Finding("dashboard", "none here; metatrain submit needs one, train does not", "note")
    return Finding(
        "dashboard",
        f"nothing answers at {redact(address)}",
        "warning",
        "metatrain submit needs it: start the cluster, or forward its port (ray dashboard "
        "cluster.yaml)",
    )


def check_token(environment: Mapping[str, str], home: Path) -> Finding:
    """Check whether a token would be sent, and its source, in Ray's order of precedence."""
    wanted = environment.get("RAY_AUTH_MODE", "").lower() == "token"
    place, problem = _token_place(environment, home)
    if wanted and not place:
        return Finding(
            "token",
            f"RAY_AUTH_MODE is token, but {problem}",
            "broken",
            "put the cluster's token into ~/.ray/auth_token, a file that RAY_AUTH_TOKEN_PATH "
            "names, or RAY_AUTH_TOKEN; or unset RAY_AUTH_MODE",
        )
    if wanted:
        return Finding("token", f"there is one, in {place}; it is sent")
    named = environment.get("RAY_ADDRESS", "") not in _HERE
    if place and (named or environment.get("RAY_API_SERVER_ADDRESS")):
        return Finding(
            "token",
            f"there is one, in {place}, but RAY_AUTH_MODE is not token: it may not be sent",
            "warning",
            "export RAY_AUTH_MODE=token, if the cluster requires one",
        )
    return Finding("token", "none is needed on this machine alone" if not named else "none is sent")


def _token_place(environment: Mapping[str, str], home: Path) -> tuple[str, str]:
    """Return the place of the token, or "" and why there is none."""
    if environment.get("RAY_AUTH_TOKEN"):
        return "RAY_AUTH_TOKEN", ""
    if path := environment.get("RAY_AUTH_TOKEN_PATH"):
        name = f"the file {path} of RAY_AUTH_TOKEN_PATH"
        return (name, "") if _has_text(Path(path)) else ("", f"{name} cannot be read or is empty")
    if _has_text(home / ".ray" / "auth_token"):
        return "~/.ray/auth_token", ""
    return "", "there is none"


def _has_text(file: Path) -> bool:
    """Return whether a file can be read and holds text."""
    try:
        return bool(file.read_text().strip())
    except (OSError, UnicodeDecodeError):
        return False


def _host_and_port(address: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(f"//{address}")
        return parts.hostname or "", parts.port
    except ValueError:
        return "", None
