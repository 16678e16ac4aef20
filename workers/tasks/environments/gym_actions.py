"""The choice of a model whose outputs are an environment's actions."""

import functools

from workers.losses.registry import make_loss
from workers.settings.environments.gym_task import GymTask
from workers.tasks.environments.gym_source import Source, make_first, maker_of
from workers.tasks.environments.spaces import look_at_actions


@functools.cache
def model_kind_of(task: str) -> str:
    """Choose the kind of the model.

    Args:
      task: the [task] table as JSON. An error in it is reported when the environment is opened.
    """
    try:
        settings = GymTask.model_validate_json(task)
        source = Source(settings.environment, settings.folder)
        first = make_first(source, maker_of(source), settings.arguments)
        loss = look_at_actions(settings.environment, first.action_space).loss
        first.close()
    except ValueError:
        return "gaussian_mlp"
    return "mlp" if make_loss(loss).discrete else "gaussian_mlp"
