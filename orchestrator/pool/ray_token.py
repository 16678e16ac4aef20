"""The token that a Ray started by us requires from its clients."""

import contextlib
import os
import secrets
from pathlib import Path

from ray._private.authentication import authentication_token_setup as ray_tokens
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

_MODE, _TOKEN = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"


def enable_tokens() -> None:
    """Make the Ray that starts next require a token, whatever the environment says.

    The user's own token is used if there is one; a new one is kept where Ray keeps it, in
    ~/.ray/auth_token, for nobody else to read. If that folder cannot be written to, the token is in
    the environment of this process and of those that it starts.
    """
    os.environ[_MODE] = "token"
    Config.initialize("")  # Ray read the environment when it was imported
    if not os.path.isabs(os.path.expanduser("~")):  # Ray would raise an error of its own
        os.environ.setdefault(_TOKEN, secrets.token_hex(32))
    tokens = AuthenticationTokenLoader.instance()
    if tokens.has_token(ignore_auth_mode=True):
        return
    try:
        save_token(ray_tokens._get_default_token_path())
    except OSError:  # a home that cannot be written to
        os.environ[_TOKEN] = secrets.token_hex(32)
    tokens.reset_cache()


def save_token(path: Path) -> None:
    """Write a new token that only this user can read, unless there is one.

    Ray's own function would let all users of the machine read it. Of two first runs at once, one
    writes the token and both use it: it is whole as soon as it is there.

    Raises:
      OSError: the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink(missing_ok=True)
