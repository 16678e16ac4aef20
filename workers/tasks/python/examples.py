"""From what a user's function returns to the arrays of episodes, with all that must be right."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.settings.losses.loss_settings import Targets
from workers.tasks.python.labels import (
    BadTaskError,
    check_binary,
    check_labels,
    count_classes,
    no_classes,
)
from workers.wire.protocol import Episode

#: What the four arrays of a task are called: support x, support y, query x, query y.
CALLED = ("support x", "support y", "query x", "query y")
_LARGEST_INT = 2**31 - 1


class Layout(NamedTuple):
    """What all tasks of a family have in common.

    input_shape: of an example. outputs: classes, labels, or numbers to predict. targets: what y is.
    integers: whether x is of an integer type.
    """

    input_shape: tuple[int, ...]
    outputs: int
    targets: Targets
    integers: bool

    @property
    def classifies(self) -> bool:
        """Whether y is classes."""
        return self.targets == "classes"


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether an example is [height, width, channels], with one channel or three."""
    return len(shape) == 3 and shape[2] in (1, 3) and min(shape[:2]) > 1


def four_parts(result: Any, task: int) -> tuple[Any, Any, Any, Any]:
    """Take apart ((x, y), (x, y)).

    Raises:
      BadTaskError: it is something else.
    """
    if _is_pair(result):
        support, query = result
        if _is_pair(support) and _is_pair(query):
            return (*support, *query)
    raise BadTaskError(
        task,
        f"returned {_told(result)}, not ((x, y), (x, y)): inputs and targets of the support set, "
        "then of the queries",
    )


def _is_pair(value: Any) -> bool:
    """Whether it is a tuple or list of two: an array of two rows is none."""
    return isinstance(value, (tuple, list)) and len(value) == 2  # twice as fast


def stacked(values: Sequence[Any], tasks: Sequence[int], called: str) -> NDArray[Any]:
    """Stack the same array of several tasks.

    Args:
      tasks: their indices.

    Raises:
      BadTaskError: one has another shape than the first, or is no array of numbers.
    """
    try:
        found = np.array(values)
    except (ValueError, TypeError):
        found = np.array(None)
    if found.dtype.kind in "fiub" and found.ndim > 1:
        return found
    arrays = [_as_array(value, tasks[place], called) for place, value in enumerate(values)]
    for place, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise BadTaskError(
                tasks[place],
                f"has a {called} of shape {list(array.shape)}, task {tasks[0]} one of "
                f"{list(arrays[0].shape)}; all tasks need as many examples, of one shape",
            )
    return np.array(arrays)


def _as_array(value: Any, task: int, called: str) -> NDArray[Any]:
    if isinstance(value, dict):
        raise BadTaskError(
            task, f"has a dict as {called}; dicts are for x alone, and then in every task"
        )
    try:
        found = np.asarray(value)
    except (ValueError, TypeError):
        raise BadTaskError(
            task, f"has a {called} whose rows differ in length; make them one array of numbers"
        ) from None
    if found.dtype.kind not in "fiub":
        raise BadTaskError(
            task,
            f"has a {called} of dtype {found.dtype}, not of numbers; return arrays of floats or "
            "integers",
        )
    if found.ndim == 0:
        raise BadTaskError(task, f"has a {called} that is a single number, not an array [examples]")
    return found


def layout_of(parts: Sequence[NDArray[Any]], wanted: Targets | None) -> Layout:
    """Read the layout off the first task's arrays [tasks, ...].

    Args:
      wanted: what y is; None: classes where it is of integers, else numbers.

    Raises:
      BadTaskError: a support set is empty, its y has no form that is known, or it is of one class.
    """
    inputs, targets = parts[0], parts[1]
    if not inputs.shape[1]:
        raise BadTaskError(0, "has an empty support set; return `shots` examples or more")
    shape = inputs.shape[2:] or (1,)
    if 0 in shape:
        raise BadTaskError(0, f"has examples of shape {list(shape)}, which hold no number")
    integers = inputs.dtype.kind in "iub"
    sort = wanted or ("classes" if targets.dtype.kind in "iub" else "numbers")
    if sort != "classes":
        return Layout(shape, int(np.prod(targets.shape[2:])), sort, integers)
    return Layout(shape, count_classes(targets[0]), sort, integers)


def make_episode(parts: Sequence[NDArray[Any]], tasks: Sequence[int], layout: Layout) -> Episode:
    """Check the arrays of tasks and convert them: float32 or int32 inputs, float32 or int32 y.

    Args:
      parts: support x, support y, query x, query y, each [tasks, examples, ...]. tasks: their
        indices.
    Raises:
      BadTaskError: names the first task that is not as it has to be.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large is said
        return _make_episode(parts, tasks, layout)


def _make_episode(parts: Sequence[NDArray[Any]], tasks: Sequence[int], layout: Layout) -> Episode:
    arrays = []
    for number in (0, 2):
        inputs = _inputs(parts[number], tasks, CALLED[number], layout)
        targets = _targets(parts[number + 1], tasks, CALLED[number + 1], layout)
        if inputs.shape[1] != targets.shape[1]:
            raise BadTaskError(
                tasks[0],
                f"has {inputs.shape[1]} examples in its {CALLED[number]}, but {targets.shape[1]} "
                f"in its {CALLED[number + 1]}; each x needs a y",
            )
        if not inputs.shape[1]:
            name = CALLED[number].removesuffix(" x")
            raise BadTaskError(tasks[0], f"has an empty {name} set; one example or more is needed")
        arrays += [inputs, targets]
    if layout.classifies:
        check_labels(arrays[1], arrays[3], tasks, layout.outputs)
    return Episode(*arrays)


def _inputs(found: NDArray[Any], tasks: Sequence[int], called: str, layout: Layout) -> NDArray[Any]:
    shape = layout.input_shape
    if found.ndim == 2 and shape == (1,):
        found = found[..., None]
    if found.shape[2:] != shape:
        raise BadTaskError(
            tasks[0],
            f"has a {called} of examples of shape {list(found.shape[2:])}, the family's are "
            f"{list(shape)}; all tasks need the same",
        )
    if not layout.integers:
        return _floats(found, tasks, called)
    if found.dtype.kind not in "iub":
        raise BadTaskError(
            tasks[0], f"has a {called} of {found.dtype}, others of integers; return one type always"
        )
    return _integers(found, tasks, called)


def _targets(
    found: NDArray[Any], tasks: Sequence[int], called: str, layout: Layout
) -> NDArray[Any]:
    if layout.classifies:
        if found.dtype.kind not in "iub":
            raise BadTaskError(tasks[0], no_classes(called, found))
        if found.ndim == 3 and found.shape[2] == 1:
            found = found[..., 0]
        if found.ndim != 2:
            raise BadTaskError(
                tasks[0], f"has a {called} of shape {list(found.shape[1:])}; classes are [examples]"
            )
        return _integers(found, tasks, called)
    if found.ndim == 2:
        found = found[..., None]
    if found.ndim != 3 or found.shape[2] != layout.outputs:
        raise BadTaskError(
            tasks[0],
            f"has a {called} of shape {list(found.shape[1:])}; values are [examples] or [examples, "
            f"{layout.outputs}], as many in every task",
        )
    values = _floats(found, tasks, called)
    if layout.targets == "labels":
        check_binary(values, tasks, called)
    return values


def _floats(found: NDArray[Any], tasks: Sequence[int], called: str) -> NDArray[np.float32]:
    values = found.astype(np.float32)
    flat = values.reshape(-1)
    # One pass, in half the time; a sum that is too large proves nothing.
    if math.isfinite(flat.dot(flat)):
        return values
    finite = np.isfinite(values)
    if not finite.all():
        place = np.argwhere(~finite)[0]
        number = found[tuple(place)]
        raise BadTaskError(
            tasks[int(place[0])],
            f"has {number} in its {called}, example {place[1]}; finite numbers of float32 are "
            "needed",
        )
    return values


def _integers(found: NDArray[Any], tasks: Sequence[int], called: str) -> NDArray[np.int32]:
    if found.dtype.itemsize >= 4 and found.size and found.dtype != np.int32:
        beyond = (found > _LARGEST_INT) | (found < -_LARGEST_INT)
        if beyond.any():
            place = np.argwhere(beyond)[0]
            raise BadTaskError(
                tasks[int(place[0])],
                f"has {found[tuple(place)]} in its {called}; whole numbers of up to 2^31 - 1 are "
                "allowed",
            )
    return found.astype(np.int32)


def _told(value: Any) -> str:
    if value is None:
        return "None (is there a return?)"
    if isinstance(value, tuple | list):
        inner = ", ".join(type(each).__name__ for each in value[:4])
        more = ", ..." if len(value) > 4 else ""
        return f"a {type(value).__name__} of {len(value)} ({inner}{more})"
    return f"an object of type {type(value).__name__}"
