"""Whether MLflow can be logged to, asked before anything starts. Ray's own logger does it."""

from importlib.util import find_spec

from orchestrator.redact import redact


def check_mlflow(uri: str | None) -> None:
    """Refuse a URI that MLflow does not open.

    Raises:
      ValueError: names the URI and why.
    """
    if uri is None:
        return
    if find_spec("mlflow") is None:
        raise ValueError(
            f"mlflow = '{redact(uri)}' needs a package that is not installed: pip install mlflow, "
            "or leave it out"
        )
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except (MlflowException, ImportError) as error:
        why = str(error).strip().splitlines()[0]
        raise ValueError(
            f"mlflow = '{redact(uri)}' cannot be logged to: {why}; give a server's "
            "http://HOST:PORT or sqlite:///FILE"
        ) from None
