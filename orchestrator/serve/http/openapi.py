"""The description of the service in OpenAPI 3.1."""

from typing import Any

from orchestrator.serve.http.bodies import arrow_body, files_body, json_body

_ARRAY = {"description": "an array with a value for each example; or an object of columns"}
_SUPPORT = {
    "type": "object",
    "required": ["inputs", "targets"],
    "additionalProperties": False,
    "properties": {
        "inputs": _ARRAY,
        "targets": {"type": "array", "description": "a class or the values of each example"},
    },
}
_QUERY = {
    "type": "object",
    "required": ["inputs"],
    "additionalProperties": False,
    "properties": {"inputs": _ARRAY},
}
_FILES = {
    "type": "object",
    "description": "a field support:CLASS for each file of the support set, query for each query",
    "additionalProperties": {"type": "string", "contentMediaType": "application/octet-stream"},
}
_ROW = {
    "type": "object",
    "required": ["query", "prediction"],
    "properties": {
        "query": {"type": "string", "description": "the query's number, or its file's name"},
        "prediction": {"description": "a class, a number, or an array of numbers"},
        "probability": {"type": "number", "description": "of the predicted class"},
        "classes": {"type": "array", "items": {"type": "string"}},
        "probabilities": {"type": "array", "items": {"type": "number"}},
        "deviation": {"description": "the standard deviation of the value, if the loss has one"},
        "by_inner_step": {
            "type": "array",
            "description": "of POST /predict: before and after each inner step",
        },
        "set": {
            "type": "array",
            "items": {"type": "string"},
            "description": "classes that hold the true one as often as the run was asked for",
        },
        "interval": {
            "type": "array",
            "description": "both ends, likewise; of several numbers, those of each",
        },
        "unknown": {"type": "boolean", "description": "whether the prediction is too unsure"},
        "not_finite": {
            "type": "object",
            "description": "of numbers that are null here, their values as text",
        },
    },
}
_ANSWER = {
    "type": "object",
    "required": ["predictions"],
    "properties": {"predictions": {"type": "array", "items": _ROW}},
}
_KEPT = {
    "type": "object",
    "required": ["id", "support_examples", "classes", "expires_after_s"],
    "properties": {
        "id": {"type": "string"},
        "support_examples": {"type": "integer"},
        "classes": {"type": ["array", "null"], "items": {"type": "string"}},
        "expires_after_s": {"type": "number"},
    },
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "one line"}},
}
_ERRORS = {
    "400": "the body is not what its type says",
    "401": "no token, or a wrong one",
    "403": "without a token: the header Host names another machine, or Origin another page",
    "406": "the header Accept allows no type of answer",
    "408": "the body took too long to arrive",
    "413": "the body is too large, or a support set for all that are kept",
    "415": "a type of body that is not read",
    "422": "examples that do not fit the model",
    "500": "the service failed; the same request may be sent again",
    "503": "too many or too large requests wait; send it again after Retry-After seconds",
}
_GONE = {"404": "there is no such id", "410": "the id expired, or made room for others"}


def openapi(secured: bool) -> dict[str, Any]:
    """Return the description.

    Args:
      secured: whether clients must send a token.
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": "metatrain", "version": "1", "description": __doc__},
        "paths": {
            "/predict": {
                "post": _post("Adapt to a support set, predict queries", _task(), _ANSWER)
            },
            "/adapt": {"post": _post("Keep a support set; equal ones have one id", _kept(), _KEPT)},
            "/predict/{id}": {"post": _ask()},
            "/model": {"get": _get("What the model takes, its protocol, and all limits")},
            "/health": {"get": {**_get("Whether requests are answered"), "security": []}},
            "/metrics": {"get": _get("Counters, in Prometheus' text format", "text/plain")},
            "/openapi.json": {"get": {**_get("This description"), "security": []}},
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}] if secured else [],
    }


def _task() -> dict[str, Any]:
    return _object(["support", "query"], {"support": _SUPPORT, "query": _QUERY})


def _kept() -> dict[str, Any]:
    return _object(["support"], {"support": _SUPPORT})


def _object(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    closed = {"additionalProperties": False}
    return {"type": "object", "required": required, "properties": properties, **closed}


def _ask() -> dict[str, Any]:
    schema = _object(["query"], {"query": _QUERY})
    asked = _post("Predict queries by a kept support set", schema, _ANSWER)
    asked["responses"] |= _errors(_GONE)
    place = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {**asked, "parameters": [place]}


def _post(summary: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    bodies = {
        json_body.TYPE: {"schema": body},
        arrow_body.TYPE: {"schema": {"type": "string", "description": arrow_body.__doc__}},
        files_body.TYPE: {"schema": _FILES},
    }
    answers: dict[str, Any] = {json_body.TYPE: {"schema": answer}}
    if answer is _ANSWER:
        answers[arrow_body.TYPE] = {"schema": {"type": "string", "description": "the same rows"}}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": bodies},
        "responses": {"200": {"description": "the answer", "content": answers}, **_errors(_ERRORS)},
    }


def _get(summary: str, media_type: str = json_body.TYPE) -> dict[str, Any]:
    content: dict[str, Any] = {media_type: {"schema": {}}}
    return {"summary": summary, "responses": {"200": {"description": "it", "content": content}}}


def _errors(errors: dict[str, str]) -> dict[str, Any]:
    content = {json_body.TYPE: {"schema": _ERROR}}
    return {status: {"description": text, "content": content} for status, text in errors.items()}
