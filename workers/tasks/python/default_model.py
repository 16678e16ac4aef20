"""Which model suits the tasks of a user's function."""

import functools

from workers.settings.python_task import PythonTask
from workers.tasks.python.examples import is_image
from workers.tasks.python.family import PythonFamily


@functools.cache
def model_kind_of(task: str) -> str:
    """Choose the kind of the model.

    Args:
      task: the [task] table as JSON. What is wrong with it is told when the family is opened.
    """
    try:
        family = PythonFamily(PythonTask.model_validate_json(task))
    except ValueError:
        return "mlp"
    return "conv4" if is_image(family.input_shape) else "mlp"
