"""Opening of a user's environment, for a run's policy to act in."""

import inspect
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.readers.no_reader import NoReader
from orchestrator.adaptation.readers.registry import make_reader
from orchestrator.config.sources import parse_toml
from workers.losses.registry import make_loss
from workers.metrics import LossName
from workers.settings.environments.gym_task import GymTask
from workers.tasks.environments.gym_source import (
    Source,
    check_attribute,
    import_gymnasium,
    is_argument,
    make_first,
    maker_of,
    set_attributes,
)
from workers.tasks.environments.user_environment import UserEnvironment, UserGym, UserPoint

#: A name, a class or function that makes environments, or an environment.
EnvironmentSource = str | Callable[..., Any] | Any


def parse_arguments(texts: Sequence[str]) -> dict[str, Any]:
    """Parse `key=value` of the command line; a value is TOML if it parses as such, else text.

    Raises:
      ValueError: there is no key or no value, or a key is repeated.
    """
    arguments: dict[str, Any] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise ValueError(f"--env-arg takes key=value, not {text!r}; for example gravity=9.8")
        if key in arguments:
            raise ValueError(f"--env-arg {key} is given twice; give it once")
        try:
            arguments[key] = parse_toml(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            arguments[key] = value
    return arguments


class PointReader(NoReader):
    """A reader for runs of `navigation`: it opens the plane with the user's goal."""

    def environment(
        self, environment: EnvironmentSource, arguments: Mapping[str, Any], origin: str
    ) -> UserEnvironment:
        """See `Reader.environment`."""
        return UserPoint(self._task, _goal(environment, arguments))


class GymReader(NoReader):
    """A reader that opens environments with gymnasium's interface."""

    def environment(
        self, environment: EnvironmentSource, arguments: Mapping[str, Any], origin: str
    ) -> UserEnvironment:
        """See `Reader.environment`."""
        name = environment if isinstance(environment, str) else _name(environment)
        first, make_more = _make(self._task, environment, name, dict(arguments))
        family = UserGym(name, self._task.horizon, first, make_more)
        users = family.loss, family.num_outputs, family.input_shape
        runs = self._shapes.loss, self._shapes.num_outputs, self._shapes.input_shape
        if users != runs:
            raise ValueError(
                f"--env {name} shows {_observations(*users)} and takes {_actions(*users)}; the "
                f"policy of {origin} sees {_observations(*runs)} and gives {_actions(*runs)}"
            )
        return family


def open_environment(
    source: Artefact, environment: EnvironmentSource, arguments: Mapping[str, Any]
) -> UserEnvironment:
    """Open a user's environment; check that the policy of `source` can act in it.

    Args:
      environment: "navigation" for a run of `navigation`. Else a name registered with gymnasium,
        "module:Class" from the working directory, a class or function, or an environment.
      arguments: attributes, or arguments of the constructor; for "navigation" its goal.
    Raises:
      ValueError: it cannot be made, lacks an attribute to set, or its spaces differ from the
        policy's.
    """
    reader = make_reader(source.config.task, source.examples)
    return reader.environment(environment, arguments, source.origin)


def _make(
    task: GymTask, environment: EnvironmentSource, name: str, arguments: dict[str, Any]
) -> tuple[Any, Callable[[], Any] | None]:
    """Make an environment; return it with a function that makes more, None if it is the only."""
    import_gymnasium()
    if not isinstance(environment, str) and not callable(environment):
        if arguments:
            raise ValueError(
                f"{', '.join(arguments)}: an existing environment takes no arguments; set its "
                "attributes"
            )
        return make_first(name, lambda: environment, {}), None
    source = Source(name, str(Path.cwd()), "--env", "run the command where it is")
    make = maker_of(source) if isinstance(environment, str) else environment
    # The run's arguments are for the run's own environment.
    defaults = dict(task.arguments) if name in task.ids else {}
    required = {key: arguments[key] for key in _required(make) if key in arguments}
    plain = make_first(source, make, {**defaults, **required})
    others = {
        key: value
        for key, value in arguments.items()
        if is_argument(f"--env-arg {key}", name, make, plain, key)
    }
    attributes = {key: value for key, value in arguments.items() if key not in others}
    all_arguments, first = {**defaults, **required, **others}, plain
    if all_arguments != {**defaults, **required}:  # a robot may exist only once
        plain.close()
        first = make_first(source, make, all_arguments)
    for key, value in attributes.items():
        check_attribute(f"--env-arg {key}", name, first, key, value)

    def make_more() -> Any:
        return set_attributes(make(**all_arguments), attributes)

    return first, make_more


def _required(make: Callable[..., Any]) -> list[str]:
    """List the arguments without a default."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        key
        for key, parameter in inspect.signature(make).parameters.items()
        if parameter.default is inspect.Parameter.empty and parameter.kind in named
    ]


def _goal(environment: EnvironmentSource, arguments: Mapping[str, Any]) -> tuple[float, float]:
    """Read the goal of `navigation`: two finite numbers."""
    if environment != "navigation":
        raise ValueError(
            f"--env {environment}: a policy of task.kind = 'navigation' acts in 'navigation' only; "
            "use --env navigation --env-arg goal=X,Y"
        )
    if set(arguments) != {"goal"}:
        has = ", ".join(arguments) or "nothing"
        raise ValueError(f"navigation takes a goal, not {has}; for example --env-arg goal=0.3,-0.2")
    goal = arguments["goal"]
    try:
        parts = goal.split(",") if isinstance(goal, str) else list(goal)
        x, y = (float(part) for part in parts)
    except (TypeError, ValueError):
        x = y = float("nan")
    if not np.isfinite([x, y]).all():
        raise ValueError(f"goal = {goal!r}; two finite numbers are needed, such as 0.3,-0.2")
    return x, y


def _name(environment: Any) -> str:
    unwrapped = getattr(environment, "unwrapped", environment)
    return str(getattr(environment, "__name__", None) or type(unwrapped).__name__)


def _observations(loss: LossName, num_outputs: int, shape: Sequence[int]) -> str:
    return f"{shape[0]} number{_s(shape[0])}" if len(shape) == 1 else f"arrays {list(shape)}"


def _actions(loss: LossName, num_outputs: int, shape: Sequence[int]) -> str:
    if make_loss(loss).discrete:
        return f"one of {num_outputs} actions"
    return f"{num_outputs // 2} number{_s(num_outputs // 2)}"


def _s(number: int) -> str:
    return "s" if number != 1 else ""
