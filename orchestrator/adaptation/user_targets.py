"""A user's targets in memory, as the model takes them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from orchestrator.adaptation.readers.arrays import NO_INPUTS
from orchestrator.adaptation.readers.reader import Reader
from workers.losses.registry import loss_of
from workers.settings.user_task_shapes import UserTaskShapes
from workers.wire.protocol import Array


class SupportTargets(NamedTuple):
    """The targets of a support set.

    values: int32 [n] or float32 [n, numbers].
    classes: their names in the order of the outputs; None without classes.
    labels: the classes as the user wrote them.
    """

    values: Array
    classes: list[str] | None = None
    labels: Array | None = None


def inputs_of(reader: Reader, inputs: Any) -> Array:
    """Convert a user's inputs. Raises ValueError if there are none, or the model takes others."""
    if hasattr(inputs, "__len__") and not len(inputs):
        raise ValueError(NO_INPUTS)
    return reader.inputs(inputs)


def support_targets(
    examples: UserTaskShapes, reader: Reader, inputs: Array, targets: Any
) -> SupportTargets:
    """Convert the targets of a support set.

    Raises:
      ValueError: there is not one for each input, or they do not fit the model.
    """
    targets = _one_for_each(inputs, targets)
    if not loss_of(examples).classifies:
        return SupportTargets(_values(examples, reader, targets))
    texts = names_of(targets)
    classes = classes_of(examples, texts)
    labels = np.array([first_of(targets, texts, name) for name in classes])
    return SupportTargets(as_indices(texts, classes), classes, labels)


def query_targets(
    examples: UserTaskShapes,
    reader: Reader,
    inputs: Array,
    targets: Any,
    classes: Sequence[str] | None,
) -> Array:
    """Convert the true answers of queries.

    Args:
      classes: those of the support set; None without classes.
    Raises:
      ValueError: there is not one for each input, or it is of another class.
    """
    targets = _one_for_each(inputs, targets)
    if classes is None:
        return _values(examples, reader, targets)
    texts = names_of(targets)
    for place, name in enumerate(texts):
        if name not in classes:
            raise ValueError(
                f"targets[{place}] is of class {name!r}, which has no example in the support set; "
                f"it has {', '.join(classes)}"
            )
    return as_indices(texts, classes)


def _one_for_each(inputs: Array, targets: Any) -> Any:
    if targets is None:
        raise ValueError(f"{len(inputs)} inputs without targets; give as many")
    targets = targets if isinstance(targets, np.ndarray) else list(targets)
    if len(inputs) != len(targets):
        raise ValueError(f"{len(inputs)} inputs, but {len(targets)} targets; give as many")
    return targets


def _values(examples: UserTaskShapes, reader: Reader, targets: Any) -> Array:
    loss, values = loss_of(examples), reader.targets(targets)
    number = examples.num_outputs // loss.outputs_per_target
    if values.shape[1:] != (number,) or not np.isfinite(values).all():
        raise ValueError(
            f"targets of shape {list(np.shape(targets))}; finite values [n, {number}] are needed"
        )
    loss.check_targets(values)
    return values


def classes_of(examples: UserTaskShapes, labels: Sequence[str], task: str = "") -> list[str]:
    """Return the classes of the outputs: the run's, or those of a support set, sorted.

    Raises:
      ValueError: a label is not one of the run's classes; or there are more classes than outputs,
        or fewer than two, unless the head is computed for any number of them.
    """
    of = f"the task {task!r}" if task else "the support set"
    fixed: list[str] | None = examples.preparation.get("classes")
    if fixed is not None:
        unknown = sorted(set(labels) - set(fixed))
        if unknown:
            raise ValueError(
                f"{of} has the class {unknown[0]!r}, the run's classes are {', '.join(fixed)}"
            )
        return list(fixed)
    num_outputs = examples.num_outputs
    classes = sorted(set(labels))
    if examples.any_ways:
        return classes
    if len(classes) > num_outputs:
        raise ValueError(
            f"{of} has {len(classes)} classes ({', '.join(classes[:6])}"
            f"{', ...' if len(classes) > 6 else ''}), the model tells at most {num_outputs} apart; "
            f"leave some out, or train on tasks of {len(classes)} classes (most kinds: "
            f"task.ways={len(classes)})"
        )
    if len(classes) < 2:
        raise ValueError(f"{of} has one class only ({classes[0]}); give two or more")
    return classes


def as_indices(labels: Sequence[str], classes: Sequence[str]) -> Array:
    """Convert labels to class indices, int32 [n]."""
    place = {name: i for i, name in enumerate(classes)}
    return np.array([place[label] for label in labels], np.int32)


def names_of(targets: Any) -> list[str]:
    """Convert a user's class targets to names.

    Raises:
      ValueError: there is not one for each example, or one is missing.
    """
    if np.ndim(targets) != 1:
        raise ValueError(
            f"targets of shape {list(np.shape(targets))}; a class for each input is needed, [n]"
        )
    for place, target in enumerate(targets):
        if target is None or target != target:  # NaN
            raise ValueError(f"targets[{place}] is {target}; every example needs a class")
    return [str(target) for target in np.asarray(targets)]


def first_of(targets: Any, texts: Sequence[str], name: str) -> Any:
    """Return the first target of a class, as the user wrote it; its name if no example has it."""
    return np.asarray(targets)[texts.index(name)] if name in texts else name
