"""A body in JSON: {"support": {"inputs", "targets"}, "query": {"inputs"}}."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from orchestrator.serve.examples import Examples, kind_of
from orchestrator.serve.request_error import RequestError

TYPE = "application/json"
#: The parts of a body, and what each of them has.
PARTS = {"support": ("inputs", "targets"), "query": ("inputs",)}


def read_json(content: bytes) -> Examples:
    """Read a body.

    Raises:
      RequestError: it is not JSON, or has other keys.
    """
    table = _parsed(content)
    _check_keys(table, PARTS, "the body")
    for part, value in table.items():
        _check_keys(value, PARTS[part], part)
        if "inputs" not in value:
            raise RequestError(
                422, f"{part} has no 'inputs'; give {part}: {{{_keys(PARTS[part])}}}"
            )
    support, query = table.get("support", {}), table.get("query", {})
    return Examples(support.get("inputs"), support.get("targets"), query.get("inputs"))


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise RequestError(400, f"the body is not UTF-8 (byte {error.start}); send JSON") from None
    except json.JSONDecodeError as error:
        raise RequestError(
            400, f"the body is not JSON ({error.msg}, character {error.pos}); send JSON"
        ) from None
    except RecursionError:
        raise RequestError(400, "the body is nested too deeply; send JSON of arrays") from None
    except ValueError as error:  # a number of too many digits
        raise RequestError(400, f"the body is not JSON ({error}); send JSON") from None


def _refuse_constant(name: str) -> NoReturn:
    raise RequestError(400, f"the body holds {name}, which JSON has not; give finite numbers")


def _check_keys(value: Any, allowed: Mapping[str, Any] | Sequence[str], what: str) -> None:
    if not isinstance(value, dict):
        raise RequestError(
            422, f"{what} is {kind_of(value)}; an object with the keys {_keys(allowed)} is needed"
        )
    for key in value:
        if key not in allowed:
            raise RequestError(422, f"{what} has the key {key!r}; the keys are {_keys(allowed)}")


def _keys(keys: Mapping[str, Any] | Sequence[str]) -> str:
    return ", ".join(map(repr, keys))
