"""A service of a small run in this process, without Ray."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import serve_extra
from small_configs import ONE_BY_ONE, images, sinusoid
from small_learners import FIRST_ORDER, run_of
from starlette.testclient import TestClient

from orchestrator.adaptation import artefact
from orchestrator.adaptation.checks import with_statistics
from orchestrator.config.schema import MetaConfig
from orchestrator.serve.http.application import Application
from orchestrator.serve.limits import Limits
from orchestrator.serve.on_ray.replica import ReplicaSettings, make_application
from orchestrator.serve.support_store import LocalStore, SupportStore

#: Inputs and targets of a support set of the sinusoid, and queries.
SUPPORT = {"inputs": [-2, 0.5, 1, 3], "targets": [0.3, 1.2, 1.9, 0.4]}
QUERY = {"inputs": [0, 2]}
BODY = {"support": SUPPORT, "query": QUERY}


def numbers(*overrides: str) -> MetaConfig:
    return sinusoid(*ONE_BY_ONE, *overrides)


def pictures(source: Any, cache: Any, *overrides: str) -> MetaConfig:
    return images(source, cache, *ONE_BY_ONE, FIRST_ORDER, *overrides)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def application_of(
    config: MetaConfig,
    limits: Limits | None = None,
    *,
    store: SupportStore | None = None,
    token_digest: str = "",
) -> Application:
    """The application of a trained run of this configuration."""
    limits = limits or Limits()
    source = with_statistics(artefact.load(str(run_of(config))), None)
    kept = LocalStore(store or SupportStore(limits))
    return make_application(source, ReplicaSettings(source.recipe, limits, token_digest), kept)


@contextlib.contextmanager
def asking(application: Application) -> Iterator[TestClient]:
    """A client on this machine."""
    with TestClient(application.asgi, base_url="http://127.0.0.1") as client:
        yield client


def together(application: Application) -> Any:
    """A client on this machine that asks several things at once."""
    transport = serve_extra.httpx2.ASGITransport(application.asgi)
    return serve_extra.httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1")


def rows_of(response: Any) -> Any:
    """The rows of an answer in JSON."""
    assert response.status_code == 200, response.text
    return response.json()["predictions"]


def line_of(response: Any) -> str:
    """What an answer says is wrong: one line."""
    assert response.status_code >= 400, response.text
    told = json.loads(response.content)
    assert set(told) == {"error"}
    assert len(told["error"].splitlines()) == 1
    return told["error"]


def as_lists(array: Any) -> Any:
    return np.asarray(array, np.float32).tolist()
