"""Where a run and a job would go, and the token that they would send; never the token itself."""

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
    """Whether something accepts connections there, within seconds."""
    try:
        with socket.create_connection((host, port), _CONNECT_S):
            return True
    except OSError:
        return False


def check_address(environment: Mapping[str, str], answers: Answers) -> Finding:
    """Where `metatrain train` would take its actors."""
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
            "metatrain train cannot start actors by it: set RAY_API_SERVER_ADDRESS instead, and "
            "leave RAY_ADDRESS to HOST:6379 or unset",
        )
    host, port = _host_and_port(address)
    if address.startswith("ray://") or not host or not port:
        what = "is Ray Client's" if address.startswith("ray://") else "is no HOST:PORT"
        return Finding("RAY_ADDRESS", f"{shown} {what}", "broken", "give the head's HOST:6379")
    if not answers(host, port):
        return Finding("RAY_ADDRESS", f"nothing answers at {shown}", "broken", _REMEDY)
    return Finding("RAY_ADDRESS", f"{shown} answers")


def check_dashboard(environment: Mapping[str, str], answers: Answers) -> Finding:
    """Where `metatrain submit` would send its jobs."""
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
    """Whether a token would be sent, and from where it is taken, in the order of Ray's."""
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
            "export RAY_AUTH_MODE=token, if the cluster wants one",
        )
    return Finding("token", "none is needed on this machine alone" if not named else "none is sent")


def _token_place(environment: Mapping[str, str], home: Path) -> tuple[str, str]:
    """Where the token is, "" if there is none; and then why not."""
    if environment.get("RAY_AUTH_TOKEN"):
        return "RAY_AUTH_TOKEN", ""
    if path := environment.get("RAY_AUTH_TOKEN_PATH"):
        name = f"the file {path} of RAY_AUTH_TOKEN_PATH"
        return (name, "") if _is_there(Path(path)) else ("", f"{name} cannot be read or is empty")
    if _is_there(home / ".ray" / "auth_token"):
        return "~/.ray/auth_token", ""
    return "", "there is none"


def _is_there(file: Path) -> bool:
    """Whether it holds anything."""
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
