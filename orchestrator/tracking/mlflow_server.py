"""The check, before anything starts, that MLflow can be logged to. Ray's integration logs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from orchestrator.text.redact import redact


@contextmanager
def without_patience() -> Iterator[None]:
    """Make MLflow ask a silent server once within the context, not retry for minutes."""
    settings = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def check_mlflow(uri: str | None, key: str = "mlflow") -> None:
    """Refuse a URI that MLflow does not open.

    Args:
      key: the setting that holds it, for the message.
    Raises:
      ValueError: names the URI and why.
    """
    if uri is None:
        return
    if find_spec("mlflow") is None:
        raise ValueError(
            f"{key} = '{redact(uri)}' needs a package that is not installed: pip install mlflow, "
            "or leave it out"
        )
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        with without_patience():
            MlflowClient(uri).search_experiments(max_results=1)
    except (MlflowException, ImportError) as error:
        why = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{key} = '{redact(uri)}' cannot be logged to: {why}; give a server's "
            "http://HOST:PORT or sqlite:///FILE"
        ) from None
