"""The token without which nobody commands a Ray that we start."""

import os
import secrets

from ray._private.authentication import authentication_token_setup as ray_tokens

_MODE, _TOKEN = ray_tokens.AUTH_MODE_ENV_VAR, "RAY_AUTH_TOKEN"


def enable_tokens() -> None:
    """Have the Ray that starts next ask for a token, whatever the environment says.

    It is the user's own where there is one, or is kept where Ray keeps it, ~/.ray/auth_token. Where
    there is no such folder it is in the environment of this process and those that it starts.
    """
    os.environ[_MODE] = "token"
    ray_tokens.Config.initialize("")  # Ray has read the environment when it was imported
    if not os.path.isabs(os.path.expanduser("~")):  # of which Ray would complain in its own words
        os.environ.setdefault(_TOKEN, secrets.token_hex(32))
    tokens = ray_tokens.AuthenticationTokenLoader.instance()
    if tokens.has_token(ignore_auth_mode=True):
        return
    try:
        ray_tokens.generate_and_save_token()
    except OSError:  # a home that cannot be written to
        os.environ[_TOKEN] = secrets.token_hex(32)
    tokens.reset_cache()
