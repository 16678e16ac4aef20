"""What suits the tasks of a user's function, where a run does not say."""

import functools
from typing import NamedTuple

from workers.losses.registry import loss_of
from workers.settings.python_task import PythonTask
from workers.tasks.python.examples import is_image
from workers.tasks.python.family import PythonFamily


class Suited(NamedTuple):
    """model: the kind of model. classifies: whether tasks have classes."""

    model: str
    classifies: bool


@functools.cache
def look_at(task: str) -> Suited:
    """Open the family and look.

    Args:
      task: the [task] table as JSON. What is wrong with it is told when the family is opened.
    """
    try:
        family = PythonFamily(PythonTask.model_validate_json(task))
    except ValueError:
        return Suited("mlp", False)
    kind = "conv4" if is_image(family.input_shape) else "mlp"
    return Suited(kind, loss_of(family).classifies)
