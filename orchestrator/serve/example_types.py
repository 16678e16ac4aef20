"""What the examples of a request may be, before the run's reader converts them."""

import itertools
from typing import Any

import numpy as np

from orchestrator.serve.examples import EncodedFiles, kind_of
from orchestrator.serve.request_error import RequestError

# Below numpy's 64 axes, and far below the depth at which Python gives up.
_MOST_AXES = 32
# An array of texts has room for the longest one in each place.
_LONGEST_CLASS = 1000
_NO_TEXT = "give arrays of numbers in [0, 1], or send images as files (multipart/form-data)"


def check_inputs(inputs: Any, part: str, most: int, takes_paths: bool) -> None:
    """Check the type and the number of inputs.

    Args:
      part: of the request, for errors.
      most: examples.
      takes_paths: whether the run's reader takes texts for names of files.
    Raises:
      RequestError: they are no array, no columns and no files; or too many, or too deep; or texts
        could be taken for names of files.
    """
    what = f"the inputs of the {part} set"
    columns = inputs if isinstance(inputs, dict) else {"": inputs}
    if takes_paths and isinstance(inputs, dict):
        raise RequestError(422, f"{what} are an object of columns; {_NO_TEXT}")
    for name, column in columns.items():
        where = f"{what}, column {name!r}," if isinstance(inputs, dict) else what
        is_files = isinstance(column, EncodedFiles) and not isinstance(inputs, dict)
        if not isinstance(column, list | np.ndarray) and not is_files:
            raise RequestError(
                422, f"{where} are {kind_of(column)}; give an array with a value for each example"
            )
        number = len(column.contents) if isinstance(column, EncodedFiles) else len(column)
        if number > most:
            raise RequestError(
                422, f"the {part} set has {number} examples; at most {most} are allowed, send fewer"
            )
        deepest = _deepest_text(column, where) if isinstance(column, list) else -1
        is_text = isinstance(column, np.ndarray) and column.dtype.kind not in "biuf"
        if takes_paths and (deepest >= 0 or is_text):
            raise RequestError(422, f"{where} hold text; {_NO_TEXT}")
        _refuse_inner_text(deepest, where)


def check_targets(targets: Any) -> None:
    """Check the type of targets.

    Raises:
      RequestError: they are no array, too deep, or a class has a very long name.
    """
    if targets is None:
        raise RequestError(422, "the support set has no targets; give one for each input")
    if not isinstance(targets, list | np.ndarray):
        raise RequestError(422, "the targets are no array; give one for each input")
    if isinstance(targets, np.ndarray):
        return
    _refuse_inner_text(_deepest_text(targets, "the targets"), "the targets")
    longest = max((len(target) for target in targets if isinstance(target, str)), default=0)
    if longest > _LONGEST_CLASS:
        raise RequestError(
            422,
            f"a target is a text of {longest} characters; at most {_LONGEST_CLASS} are allowed",
        )


def _deepest_text(values: list[Any], what: str) -> int:
    """Return the last axis that has texts; -1: there are none.

    Level by level, so that no depth can exhaust Python's stack.

    Raises:
      RequestError: there is an object, or there are too many axes.
    """
    level, deepest = values, -1
    for axis in range(_MOST_AXES):
        kinds = set(map(type, level))
        if dict in kinds:
            raise RequestError(422, f"{what} hold an object; give numbers, or a text an example")
        if str in kinds:
            deepest = axis
        if list not in kinds:
            return deepest
        level = list(itertools.chain.from_iterable(one for one in level if type(one) is list))
    raise RequestError(422, f"{what} are nested too deeply; at most {_MOST_AXES} axes are allowed")


def _refuse_inner_text(deepest: int, what: str) -> None:
    if deepest > 0:
        raise RequestError(422, f"{what} hold texts in inner arrays; give one for each example")
