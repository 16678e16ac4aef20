"""The token that a Ray started by us requires from its clients."""

import os
import secrets

from ray._private.authentication import authentication_token_setup as ray_tokens
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

_MODE, _TOKEN = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"


def enable_tokens() -> None:
    """Make the Ray that starts next require a token, whatever the environment says.

    The user's own token is used if there is one; a new one is kept where Ray keeps it, in
    ~/.ray/auth_token. If that folder cannot be written to, the token is in the environment of this
    process and of those that it starts.
    """
    os.environ[_MODE] = "token"
    Config.initialize("")  # Ray read the environment when it was imported
    if not os.path.isabs(os.path.expanduser("~")):  # Ray would raise an error of its own
        os.environ.setdefault(_TOKEN, secrets.token_hex(32))
    tokens = AuthenticationTokenLoader.instance()
    if tokens.has_token(ignore_auth_mode=True):
        return
    try:
        ray_tokens.generate_and_save_token()
    except OSError:  # a home that cannot be written to
        os.environ[_TOKEN] = secrets.token_hex(32)
    tokens.reset_cache()
