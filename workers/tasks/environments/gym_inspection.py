"""The inspection of a gym family's environments before a run."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workers.settings.environments.gym_task import GymTask
from workers.tasks.environments.gym_check import check_episodes
from workers.tasks.environments.gym_maker import GymMaker
from workers.tasks.environments.gym_source import Source, digest
from workers.tasks.environments.gym_tasks import TaskValues, tasks_to_inspect, title_of
from workers.tasks.environments.observations import Observations, look_at_observations
from workers.tasks.environments.spaces import (
    Actions,
    Spaces,
    check_baseline,
    look_at_actions,
)

# Environments that are made to compare their spaces; those of further tasks are compared when they
# are made for their episodes.
_MOST_COMPARED = 200


@dataclass(frozen=True, slots=True)
class Inspected:
    """What is known of the environments.

    makers: of each name. spaces: those of the first task, which all tasks have. first: its
    environment. digest: of the code of all; see `gym_source.digest`. reports_success: whether all
      say of a step if it is a success.
    """

    makers: Mapping[str, GymMaker]
    spaces: Spaces
    first: Any
    observations: Observations
    actions: Actions
    digest: str
    reports_success: bool


def maker_for(settings: GymTask, name: str) -> GymMaker:
    """Find an environment by its name; see `GymMaker`."""
    where = "task.environments: id =" if settings.environments else "task.environment ="
    return GymMaker(Source(name, settings.folder, where), settings.arguments)


def make_one(settings: GymTask, maker: GymMaker, task: TaskValues) -> Any:
    """Make the environment of a task, after a check of its values; see `GymMaker.inspect`."""

    def label(value: str) -> str:
        return f"task.vary.{value}" if value in settings.vary else f"task.environments: {value}"

    return maker.inspect(task[1], label)


def inspect_environments(settings: GymTask) -> Inspected:
    """Make environments of tasks, compare their spaces, and play an episode in one of each name.

    Raises:
      ValueError: one cannot be made, lacks an attribute or argument, has other spaces than the
        first, has spaces that no policy can act in or no baseline fits, or does not repeat an
        episode.
    """
    task, *others = tasks_to_inspect(settings)
    name = task[0]
    makers = {name: maker_for(settings, name)}
    first = make_one(settings, makers[name], task)
    observations = look_at_observations(name, first.observation_space)
    check_baseline(settings.baseline, observations.shape)
    actions = look_at_actions(name, first.action_space)
    spaces = Spaces(title_of(task), first.observation_space, first.action_space)
    reports = check_episodes(makers[name].source, first, actions, observations, settings.horizon)
    digests = [digest(makers[name].source, first)]
    for number, task in enumerate(others):
        name, values = task
        is_new = name not in makers
        maker = makers.setdefault(name, maker_for(settings, name)) if is_new else makers[name]
        if number >= _MOST_COMPARED and maker.knows(values):
            continue
        environment = make_one(settings, maker, task)
        spaces.check(title_of(task), environment)
        if is_new:
            reports &= check_episodes(
                maker.source, environment, actions, observations, settings.horizon
            )
            digests.append(digest(maker.source, environment))
        environment.close()
    whole = hashlib.sha256(" ".join(digests).encode()).hexdigest()
    return Inspected(
        makers=makers,
        spaces=spaces,
        first=first,
        observations=observations,
        actions=actions,
        digest=whole if len(digests) > 1 else digests[0],
        reports_success=reports,
    )
