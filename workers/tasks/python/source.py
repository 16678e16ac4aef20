"""Where a user's own tasks come from: a function, or a class, in a module."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from workers.settings.python_task import PythonTask
from workers.tasks.listing import listed
from workers.tasks.python.global_random import refuse_global_draws
from workers.user_code.blame import first_line, line_of
from workers.user_code.modules import find, import_module, own_names

ONE = ("rng", "split", "shots", "queries")
MANY = ("rng", "split", "num_tasks", "shots", "queries")


@dataclass(frozen=True, slots=True)
class Drawer:
    """What draws tasks.

    said: how errors call it. call: (rng, split, shots, queries) -> ((x, y), (x, y)) of one task; or
    where `together`, (rng, split, num_tasks, shots, queries) -> the same with an axis of tasks
    first. modules: the user's modules that it needs, imported.
    """

    said: str
    call: Callable[..., Any]
    together: bool
    modules: tuple[ModuleType, ...]


def open_source(settings: PythonTask) -> Drawer:
    """Import what `task.source` names, and make the object if it is a class.

    Raises:
      ValueError: there is no such thing, it does not take what it is called with, or it draws from
        a global generator when it is made.
    """
    said = f"task.source = {settings.source!r}"
    module_name, _, name = settings.source.partition(":")
    modules = [import_module(each, settings.folder) for each in settings.source_modules]
    try:
        found = find(modules[-1], name)
    except AttributeError:
        raise ValueError(f"{said}: {_lacks(modules[-1], module_name, name)}") from None
    with refuse_global_draws(f"{said} is made"):
        call, together = _method(said, found, settings.arguments)
    return Drawer(said, call, together, tuple(modules))


def _method(said: str, found: Any, arguments: dict[str, Any]) -> tuple[Callable[..., Any], bool]:
    """Return the callable, and whether it draws many tasks at once."""
    if inspect.isclass(found):
        found, arguments = _make(said, found, arguments), {}
    elif not callable(found) and arguments:
        raise ValueError(
            f"task.arguments = {arguments!r} are for a function or a class; {said} is an object of "
            f"type {type(found).__name__}"
        )
    for name, names in (("tasks", MANY), ("task", ONE)):
        method = getattr(found, name, None)
        if callable(method) and not inspect.isfunction(found):
            _check_signature(f"{said}: its method {name}", method, names, arguments)
            return functools.partial(method, **arguments), names is MANY
    if not callable(found):
        raise ValueError(
            f"{said} is {_kind(found)}, not a function, nor a class with a method `task` "
            f"({', '.join(ONE)})"
        )
    together = "num_tasks" in _parameters(found)
    names = MANY if together else ONE
    _check_signature(said, found, names, arguments)
    return functools.partial(found, **arguments) if arguments else found, together


def _make(said: str, found: type, arguments: dict[str, Any]) -> Any:
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    try:
        made = found(**arguments)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{said} cannot be made with ({given}): {type(error).__name__}"
            f"{line_of(error)}: {first_line(error)}"
        ) from error
    if not callable(getattr(made, "task", None)) and not callable(getattr(made, "tasks", None)):
        raise ValueError(
            f"{said} has no method `task` ({', '.join(ONE)}), nor `tasks` ({', '.join(MANY)})"
        )
    return made


def _check_signature(
    said: str, function: Any, names: Sequence[str], arguments: dict[str, Any]
) -> None:
    """Raise ValueError if it cannot be called with what `names` stand for, in their order."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin: the first call shows
        return
    own = list(signature.parameters)
    wanted = ", ".join([*names, *arguments])
    taken = f"{said} takes ({', '.join(map(str, signature.parameters.values()))})"
    try:
        signature.bind(*names, **arguments)
    except TypeError as error:
        raise ValueError(f"{taken}, but is called with ({wanted}): {error}") from None
    if set(own[: len(names)]) == set(names) and own[: len(names)] != list(names):
        raise ValueError(f"{taken}, but is called with ({wanted}), in this order; change it")


def _parameters(function: Any) -> Sequence[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _lacks(module: ModuleType, module_name: str, name: str) -> str:
    own = own_names(module)
    there = listed(own, name, quoted=False) or "none"
    return f"{module_name} has no function or class {name!r}; it has {there}"


def _kind(found: Any) -> str:
    return f"an object of type {type(found).__name__}"
