"""All files' arrays joined, once they are known to fit together."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.settings.losses.loss_settings import Targets
from workers.tasks.npz.files import open_files, read_file
from workers.wire.errors import DataError

_Read = Mapping[str, NDArray[np.generic]]
_LARGEST_INT = 2**31 - 1


class Side(NamedTuple):
    """Examples of all tasks, one after another.

    inputs: float32 or int32 [rows, ...]. targets: int32 [rows], or float32 [rows, d]. task_of_row:
    the task's name.
    """

    inputs: NDArray[np.generic]
    targets: NDArray[np.generic]
    task_of_row: list[str]


class Joined(NamedTuple):
    """What all files hold.

    own: x and y. query: query_x and query_y; None where there are none. classes: how many; None in
    regression.
    """

    source: str
    own: Side
    query: Side | None
    classes: int | None


def read_all(path: str, wanted: Targets | None) -> Joined:
    """Read all files of a folder or zip.

    Args:
      wanted: what y is; None: classes where it is of integers, else numbers.

    Raises:
      DataError: one cannot be read, or does not fit the others; names it.
    """
    with open_files(path) as files:
        arrays = {files.said(name): read_file(files, name) for name in files.names}
        names, source = list(files.names), files.source
    sides = [("x", "y")]
    with_query = [said for said, each in arrays.items() if "query_x" in each]
    if with_query and len(with_query) < len(arrays):
        lacking = next(said for said in arrays if said not in with_query)
        raise DataError(
            f"{lacking} has no queries of its own (query_x and query_y), but "
            f"{with_query[0].rpartition(': ')[2]} has; give them in all tasks, or in none"
        )
    if with_query:
        sides.append(("query_x", "query_y"))
    classifies = _classifies(arrays, wanted)
    number = _count_classes(arrays) if classifies else None
    first = next(iter(arrays.values()))["x"].shape[1:]
    joined = [_join(arrays, names, x, y, first, number) for x, y in sides]
    if wanted == "labels":
        _check_binary(arrays)
    if number is None and len({side.targets.shape[1:] for side in joined}) > 1:
        raise DataError(f"{source}: y and query_y have different shapes for an example")
    return Joined(source, joined[0], joined[1] if with_query else None, number)


def _classifies(arrays: Mapping[str, _Read], wanted: Targets | None) -> bool:
    if wanted not in (None, "classes"):
        return False
    whole = [said for said, each in arrays.items() if each["y"].dtype.kind in "iub"]
    other = [said for said in arrays if said not in whole]
    if wanted and other:
        raise DataError(
            f"{other[0]}: y is of {arrays[other[0]]['y'].dtype}; classes are whole numbers, 0, 1, "
            "...: give y.astype(int), or set task.loss = 'mse'"
        )
    if whole and other:
        raise DataError(
            f"{whole[0]}: y is of whole numbers, that of {other[0].rpartition(': ')[2]} is not; "
            "give one type in all tasks, or say task.loss = 'mse'"
        )
    return not other


def _check_binary(arrays: Mapping[str, _Read]) -> None:
    for said, each in arrays.items():
        for name in each.keys() & {"y", "query_y"}:
            wrong = np.argwhere((each[name] != 0) & (each[name] != 1))
            if len(wrong):
                raise DataError(
                    f"{said}: {name} has {each[name][tuple(wrong[0])]:g} in example {wrong[0][0]}; "
                    "labels are 0 or 1 (task.loss = 'binary_cross_entropy')"
                )


def _count_classes(arrays: Mapping[str, _Read]) -> int:
    """Classes of a task: in each file 0 to as many less one, and all of them."""
    number, of = 0, ""
    for said, each in arrays.items():
        labels = np.unique(each["y"])
        if len(labels) < 2:
            raise DataError(
                f"{said}: y has one class only ({labels[0]:d}); a task needs two or more, or y of "
                "floats where it is a regression"
            )
        if not np.array_equal(labels, np.arange(len(labels))):
            told = ", ".join(f"{label:d}" for label in labels[:5])
            raise DataError(
                f"{said}: y has the classes {told}{', ...' if len(labels) > 5 else ''}, not 0 to "
                f"{len(labels) - 1}: number the classes of each task from 0 (or task.loss = 'mse')"
            )
        number, of = number or len(labels), of or said
        if len(labels) != number:
            raise DataError(
                f"{said}: y has {len(labels)} classes, that of {of.rpartition(': ')[2]} has "
                f"{number}; all tasks need as many"
            )
        asked = each.get("query_y")
        if asked is not None and (
            asked.dtype.kind not in "iub" or asked.min() < 0 or asked.max() >= number
        ):
            raise DataError(
                f"{said}: query_y has other classes than y, which has 0 to {number - 1}"
            )
    return number


def _join(
    arrays: Mapping[str, _Read],
    names: Sequence[str],
    x: str,
    y: str,
    shape: tuple[int, ...],
    classes: int | None,
) -> Side:
    inputs, targets = [], []
    whole = all(
        each[name].dtype.kind in "iub" for each in arrays.values() for name in each if "x" in name
    )
    for said, each in arrays.items():
        if each[x].shape[1:] != shape:
            raise DataError(
                f"{said}: {x} has examples of shape {list(each[x].shape[1:])}, x of the first task "
                f"{list(shape)}; all tasks need the same"
            )
        inputs.append(_converted(said, x, each[x], whole))
        targets.append(
            _converted(said, y, _targets(said, y, each[y], classes), classes is not None)
        )
        if targets[-1].shape[1:] != targets[0].shape[1:]:
            raise DataError(
                f"{said}: {y} has {targets[-1].shape[1]} values for an example, that of the first "
                f"task {targets[0].shape[1]}; all tasks need as many"
            )
    rows = [name for name, each in zip(names, inputs, strict=True) for _ in range(len(each))]
    joined = np.concatenate(inputs)
    return Side(joined if shape else joined[:, None], np.concatenate(targets), rows)


def _targets(
    said: str, name: str, found: NDArray[np.generic], classes: int | None
) -> NDArray[np.generic]:
    """[n] classes, or [n, d] values."""
    if classes is not None:
        found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
        wanted, fits = "[n]", found.ndim == 1
    else:
        found = found[:, None] if found.ndim == 1 else found
        wanted, fits = "[n] or [n, d]", found.ndim == 2 and found.shape[1] > 0
    if not fits:
        raise DataError(f"{said}: {name} is of shape {list(found.shape)}, not {wanted}")
    return found


def _converted(
    said: str, name: str, found: NDArray[np.generic], whole: bool
) -> NDArray[np.generic]:
    if not whole:
        return found.astype(np.float32)
    if found.dtype.itemsize >= 4 and np.abs(found.astype(np.float64)).max() > _LARGEST_INT:
        raise DataError(f"{said}: {name} has whole numbers beyond 2^31 - 1; give floats")
    return found.astype(np.int32)
