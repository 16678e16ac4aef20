"""Where a service listens, and the token that it demands of clients."""

import os
import socket
from pathlib import Path

from orchestrator.serve.http.guard import is_loopback

#: The token, unless a file has it. On the command line, all users of the machine would see it.
TOKEN_VARIABLE = "METATRAIN_SERVE_TOKEN"
_SHORTEST = 16


def read_token(file: Path | None) -> str:
    """Read the token; "" if there is none.

    Args:
      file: None: the variable `TOKEN_VARIABLE`.
    Raises:
      ValueError: the file cannot be read, or the token is short or not of visible ASCII. The
        message does not show it.
    """
    if file is None:
        if TOKEN_VARIABLE not in os.environ:
            return ""
        where, token = TOKEN_VARIABLE, os.environ[TOKEN_VARIABLE].strip()
    else:
        where = f"--token-file {file}"
        try:
            token = file.expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{where} cannot be read ({type(error).__name__})") from None
    if len(token) < _SHORTEST or not all("!" <= letter <= "~" for letter in token):
        raise ValueError(
            f"{where} holds {len(token)} characters; a token is {_SHORTEST} or more visible ASCII "
            "characters, such as those of: openssl rand -hex 32"
        )
    return token


def forget_token() -> None:
    """Remove the token from the environment, which the processes of Ray would inherit.

    To be called after the last step that may start this command again, and before Ray starts.
    """
    os.environ.pop(TOKEN_VARIABLE, None)


def check_address(host: str, token: str) -> None:
    """Raise ValueError if other machines reach the address, and there is no token."""
    if not is_loopback(host) and not token:
        raise ValueError(
            f"--host {host}: other machines reach this address; give a token (--token-file FILE, "
            f"or {TOKEN_VARIABLE}), or listen at 127.0.0.1"
        )


def check_port(host: str, port: int) -> None:
    """Raise ValueError if nobody can listen there, or somebody does."""
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        raise ValueError(
            f"--host {host} --port {port}: nothing can listen there "
            f"({error.strerror or error}); give another port or address"
        ) from None
