"""The choice of a model whose outputs are an environment's actions."""

import functools

from workers.losses.registry import make_loss
from workers.settings.environments.gym_task import GymTask
from workers.tasks.environments.gym_inspection import make_one, maker_for
from workers.tasks.environments.gym_tasks import tasks_to_inspect
from workers.tasks.environments.observations import look_at_observations
from workers.tasks.environments.spaces import look_at_actions


@functools.cache
def model_kind_of(task: str) -> str:
    """Choose the kind of the model.

    Args:
      task: the [task] table as JSON. An error in it is reported when the environment is opened.
    """
    try:
        settings = GymTask.model_validate_json(task)
        first = next(tasks_to_inspect(settings))
        environment = make_one(settings, maker_for(settings, first[0]), first)
        loss = look_at_actions(first[0], environment.action_space).loss
        shape = look_at_observations(first[0], environment.observation_space).shape
        environment.close()
    except ValueError:
        return "gaussian_mlp"
    if len(shape) == 3:
        return "categorical_cnn" if make_loss(loss).discrete else "gaussian_cnn"
    return "mlp" if make_loss(loss).discrete else "gaussian_mlp"
