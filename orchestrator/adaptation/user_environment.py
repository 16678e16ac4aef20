"""From what a user hands over to an environment that the run's policy can act in."""

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
from workers.metrics import LossName
from workers.settings.environments import GymTask
from workers.tasks.environments.gym_source import (
    Source,
    check_attribute,
    import_gymnasium,
    is_argument,
    make_first,
    maker_of,
    set_attributes,
)
from workers.tasks.environments.user_environment import LiveEnvironment, LiveGym, LivePoint

#: A name, something that makes environments, or an environment.
Given = str | Callable[..., Any] | Any


def parse_arguments(texts: Sequence[str]) -> dict[str, Any]:
    """`key=value` of the command line; a value is TOML where it parses as such, else text.

    Raises:
      ValueError: there is no key, no value, or a key comes twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise ValueError(f"--env-arg takes key=value, not {text!r}; for example gravity=9.8")
        if key in found:
            raise ValueError(f"--env-arg {key} is given twice; give it once")
        try:
            found[key] = parse_toml(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = value
    return found


class PointReader(NoReader):
    """Opens the plane of `navigation`: there are goals of one's own in it."""

    def environment(
        self, given: Given, arguments: Mapping[str, Any], origin: str
    ) -> LiveEnvironment:
        """See `Reader.environment`."""
        return LivePoint(self._task, _goal(given, arguments))


class GymReader(NoReader):
    """Opens environments with gymnasium's interface."""

    def environment(
        self, given: Given, arguments: Mapping[str, Any], origin: str
    ) -> LiveEnvironment:
        """See `Reader.environment`."""
        name = given if isinstance(given, str) else _name(given)
        made = _made(self._task, given, name, dict(arguments))
        family = LiveGym(name, self._task.horizon, *made)
        theirs = family.loss, family.num_outputs, family.input_shape
        ours = self._shapes.loss, self._shapes.num_outputs, self._shapes.input_shape
        if theirs != ours:
            raise ValueError(
                f"--env {name} shows {_seen(*theirs)} and takes {_done(*theirs)}; the policy of "
                f"{origin} sees {_seen(*ours)} and gives {_done(*ours)}"
            )
        return family


def open_environment(
    source: Artefact, given: Given, arguments: Mapping[str, Any]
) -> LiveEnvironment:
    """Make it, and look whether the policy of `source` can act in it.

    Args:
      given: a run's `navigation`: "navigation". Else a name that gymnasium knows, "module:Class"
        from the working directory, a class or function, or an environment.
      arguments: attributes, or arguments of the constructor; of "navigation": its goal.
    Raises:
      ValueError: it cannot be had, lacks what is to be set, or has other spaces than the policy.
    """
    reader = make_reader(source.config.task, source.examples)
    return reader.environment(given, arguments, source.origin)


def _made(
    task: GymTask, given: Given, name: str, arguments: dict[str, Any]
) -> tuple[Any, Callable[[], Any] | None]:
    """An environment, and what makes more of them; None where it is the only one."""
    import_gymnasium()
    if not isinstance(given, str) and not callable(given):
        if arguments:
            raise ValueError(
                f"{', '.join(arguments)}: an environment that is made already takes no arguments; "
                "set its attributes"
            )
        return make_first(name, lambda: given, {}), None
    source = Source(name, str(Path.cwd()), "--env", "run the command where it is")
    make = maker_of(source) if isinstance(given, str) else given
    # The run's own arguments are those of its own environment.
    usual = dict(task.arguments) if name == task.environment else {}
    needed = {key: arguments[key] for key in _needed(make) if key in arguments}
    plain = make_first(source, make, {**usual, **needed})
    others = {
        key: value
        for key, value in arguments.items()
        if is_argument(f"--env-arg {key}", name, make, plain, key)
    }
    own = {key: value for key, value in arguments.items() if key not in others}
    constructed, first = {**usual, **needed, **others}, plain
    if constructed != {**usual, **needed}:  # a robot may be there only once
        plain.close()
        first = make_first(source, make, constructed)
    for key, value in own.items():
        check_attribute(f"--env-arg {key}", name, first, key, value)

    def more() -> Any:
        return set_attributes(make(**constructed), own)

    return first, more


def _needed(make: Callable[..., Any]) -> list[str]:
    """Arguments without which nothing can be made."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        key
        for key, each in inspect.signature(make).parameters.items()
        if each.default is inspect.Parameter.empty and each.kind in named
    ]


def _goal(given: Given, arguments: Mapping[str, Any]) -> tuple[float, float]:
    """Of `navigation`: two finite numbers."""
    if given != "navigation":
        raise ValueError(
            f"--env {given}: a policy of task.kind = 'navigation' acts in 'navigation' alone; give "
            "that, and --env-arg goal=X,Y"
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


def _name(given: Any) -> str:
    return str(
        getattr(given, "__name__", None) or type(getattr(given, "unwrapped", given)).__name__
    )


def _seen(loss: LossName, num_outputs: int, shape: Sequence[int]) -> str:
    return f"{shape[0]} number{_s(shape[0])}" if len(shape) == 1 else f"arrays {list(shape)}"


def _done(loss: LossName, num_outputs: int, shape: Sequence[int]) -> str:
    if loss == "categorical_policy":
        return f"one of {num_outputs} actions"
    return f"{num_outputs // 2} number{_s(num_outputs // 2)}"


def _s(number: int) -> str:
    return "s" if number != 1 else ""
