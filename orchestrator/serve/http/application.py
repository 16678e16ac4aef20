"""The service as an ASGI application, which needs no Ray."""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrator.serve.http import answers, page, service_metrics
from orchestrator.serve.http.guard import Guard
from orchestrator.serve.http.held_bodies import HeldBodies
from orchestrator.serve.http.openapi import openapi
from orchestrator.serve.http.request_body import read_body
from orchestrator.serve.http.service_metrics import ServiceMetrics
from orchestrator.serve.limits import Limits
from orchestrator.serve.request_error import RequestError, request_error_of
from orchestrator.serve.service import Read, Service

LOG = logging.getLogger("metatrain.serve")
Endpoint = Callable[[Request], Awaitable[Response]]


class Application:
    """The routes.

    asgi: the application.
    """

    def __init__(
        self, service: Service, limits: Limits, guard: Guard, about: dict[str, Any], replica: str
    ):
        """Serve.

        Args:
          about: what clients may know of the model, for JSON.
          replica: its name.
        """
        self._service, self._limits, self._guard = service, limits, guard
        self._about, self._metrics = about, ServiceMetrics(replica)
        self._bodies = HeldBodies(limits.held_bytes)
        posts: dict[str, Endpoint] = {
            "/predict": self._predict,
            "/adapt": self._adapt,
            "/predict/{key}": self._ask,
        }
        gets: dict[str, Endpoint] = {
            "/health": self._health,
            "/model": self._model,
            "/metrics": self._show_metrics,
            "/openapi.json": self._openapi,
            **dict.fromkeys(page.FILES, _page),
        }
        self.asgi = Starlette(
            routes=[
                *(
                    Route(path, self._answering(path, f), methods=["POST"])
                    for path, f in posts.items()
                ),
                *(Route(path, self._answering(path, f)) for path, f in gets.items()),
            ],
            exception_handlers={HTTPException: _refuse},
        )

    def _answering(self, path: str, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint whose errors are answers, and which is counted."""

        async def answer(request: Request) -> Response:
            began = time.perf_counter()
            try:
                self._guard.check(path, request.headers)
                response = await endpoint(request)
            except Exception as error:
                problem = request_error_of(error)
                if problem.status == 500:
                    LOG.exception("%s %s", request.method, path)
                response = _as_response(problem)
            self._metrics.add(path, response.status_code, time.perf_counter() - began)
            return response

        return answer

    @contextlib.asynccontextmanager
    async def _reading(self, request: Request) -> AsyncIterator[Read]:
        """Return the function that reads the examples of a body; it is held within the context."""
        with self._bodies.of_request() as count:
            body = await read_body(request, self._limits.body_bytes, count)
            yield lambda: body.examples(self._limits.examples)

    async def _predict(self, request: Request) -> Response:
        kind = answers.chosen_type(request.headers.get("accept", ""))
        async with self._reading(request) as read:
            answer = await self._service.predict(read)
        table = answers.table_of(*answer, by_inner_step=True)
        return Response(answers.encode(table, kind), media_type=kind)

    async def _ask(self, request: Request) -> Response:
        kind = answers.chosen_type(request.headers.get("accept", ""))
        async with self._reading(request) as read:
            answer = await self._service.ask(request.path_params["key"], read)
        table = answers.table_of(*answer, by_inner_step=False)
        return Response(answers.encode(table, kind), media_type=kind)

    async def _adapt(self, request: Request) -> Response:
        async with self._reading(request) as read:
            key, support = await self._service.keep(read)
        return JSONResponse(
            {
                "id": key,
                "support_examples": len(support.task.support_inputs),
                "classes": support.task.classes,
                "expires_after_s": self._limits.expiry_s,
            }
        )

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ready"})

    async def _model(self, request: Request) -> Response:
        return JSONResponse(self._about)

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(openapi(self._guard.has_token))

    async def _show_metrics(self, request: Request) -> Response:
        gauges = {
            "waiting": ("requests that wait to be computed", self._service.queue.num_waiting),
            "graphs": ("graphs, one for each size", self._service.model.learner.num_graphs),
        }
        return Response(self._metrics.text(gauges), media_type=service_metrics.TYPE)


async def _page(request: Request) -> Response:
    name, kind = page.FILES[request.url.path]
    return Response(page.content_of(name), media_type=kind, headers=page.HEADERS)


def _refuse(request: Request, error: Exception) -> Response:
    """Answer what no route takes."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        line = f"{request.method} {request.url.path} is not offered; use {allowed}"
    else:
        line = f"there is no {request.url.path}; GET /openapi.json lists all paths"
    return _as_response(RequestError(error.status_code, line, dict(error.headers or {})))


def _as_response(problem: RequestError) -> Response:
    return JSONResponse({"error": problem.line}, problem.status, problem.headers)
