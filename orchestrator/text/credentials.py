"""Checks that refuse a URI with a secret before it is used: secrets belong in the environment."""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.text.redact import holds_secret, redact_word

_AWS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or AWS_PROFILE"
_GOOGLE = "set GOOGLE_APPLICATION_CREDENTIALS in the environment to a file with the key"
_AZURE = (
    "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET in the environment, or log in "
    "by az login"
)
_MLFLOW = (
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the "
    "environment"
)
_POSTGRES = "set PGPASSWORD in the environment, or use ~/.pgpass"
#: Part of a scheme -> where its credentials belong.
_INSTEAD = {
    "s3": _AWS,
    "gs": _GOOGLE,
    "gcs": _GOOGLE,
    "abfs": _AZURE,
    "wasb": _AZURE,
    "http": _MLFLOW,
    "postgres": _POSTGRES,
    "ray": "set RAY_AUTH_TOKEN in the environment",
}
_OTHERS = "give it in the environment, or in a file that only you can read"


def check_no_secret(what: str, uri: str) -> None:
    """Refuse a URI with a secret: lists of processes, Ray and logs would show it.

    Args:
      what: the option or key of the URI; "" if the URI alone is clear.
    Raises:
      ValueError: it holds a secret; the message hides it and says where it belongs.
    """
    if not holds_secret(uri):
        return
    scheme = uri[: max(uri.find("://"), 0)].lower()
    named = [text for name, text in _INSTEAD.items() if scheme.endswith(name) or name in scheme]
    shown = f"{what} = {redact_word(uri)}" if what else redact_word(uri)
    raise ValueError(
        f"{shown} holds a secret (***), which files, logs and the list of processes would show; "
        f"leave it out and {(named or [_OTHERS])[0]}"
    )


def check_table(table: Mapping[str, Any]) -> None:
    """Refuse a configuration in which a URI holds a secret: it is written into the run's folder.

    Raises:
      ValueError: a URI holds a secret; the message names its key and hides the secret.
    """
    for key, text in _texts("", table):
        if "://" in text:
            check_no_secret(redact_word(key), text)


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield dotted names and texts of a value, including keys that are URIs."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if "://" in str(name):
                yield key, str(name)
            yield from _texts(f"{key}.{name}" if key else str(name), item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(key, item)
