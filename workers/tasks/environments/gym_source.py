"""Where gymnasium environments come from: its registry, or a module of the user's."""

import contextlib
import hashlib
import importlib
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from numbers import Real
from pathlib import Path
from typing import Any

from workers.wire.import_path import refuse_namesakes

_INSTALL = "pip install 'metatrain[{extra}]'"
_OF_MUJOCO = "gymnasium.envs.mujoco"


@dataclass(frozen=True, slots=True)
class Source:
    """What environment somebody asks for: a name that gymnasium knows, or 'module:Class'.

    "module:Name-v0" is gymnasium's own form: a name that is known once the module is imported.

    folder: that the module is imported from first. where: what the user wrote the name behind.
    mend: what to do where the module is not in the folder.
    """

    environment: str
    folder: str
    where: str = "task.environment ="
    mend: str = "install it, or set task.folder to where it is"

    def __str__(self) -> str:
        return f"{self.where} {self.environment!r}"


def maker_of(source: Source) -> Callable[..., Any]:
    """A function from constructor arguments to a new environment.

    Raises:
      ValueError: there is no such environment, or what it needs is not installed.
    """
    gymnasium = import_gymnasium()
    module, _, name = source.environment.rpartition(":")
    own = _import(module, source) if module else None
    found = getattr(own, name, None)
    if own is None or (not callable(found) and (not name.isidentifier() or _is_known(name))):

        def make(**arguments: Any) -> Any:
            with _quiet(source):
                return gymnasium.make(name, disable_env_checker=True, **arguments)

        return _with_signature(make, _signature(name))
    if not callable(found):
        raise ValueError(f"{source}: {module} has no class or function {name!r}")

    def make_own(**arguments: Any) -> Any:
        with _quiet(source):
            return found(**arguments)

    return _with_signature(make_own, inspect.signature(found))


def make_first(said: object, make: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """An environment to look at; `said`: what the user calls it.

    Raises:
      ValueError: it cannot be had; says what to install where something is missing.
    """
    gymnasium = import_gymnasium()
    try:
        environment = make(**arguments)
    except gymnasium.error.DependencyNotInstalled as error:
        raise _lacks(said, error) from error
    except (Exception, SystemExit) as error:
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise ValueError(
            f"{said} cannot be made with ({given}): {type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}"
        ) from error
    kind = type(environment).__name__
    if not hasattr(environment, "step") or not hasattr(environment, "unwrapped"):
        raise ValueError(f"{said} gave a {kind}, not a gymnasium.Env")
    for space in ("observation_space", "action_space"):
        if getattr(environment, space, None) is None:
            raise ValueError(
                f"{said} gave a {kind} without {space}, which says what a policy needs"
            )
    return environment


def is_argument(
    said: str, environment: str, make: Callable[..., Any], first: Any, name: str
) -> bool:
    """Whether `name` is given to what makes environments; else it is an attribute, to be set.

    What takes it by name gets it: an attribute that other ones were computed from comes too late.

    Args:
      make: as `maker_of` gives it, or a user's own. first: an environment that it made.
    Raises:
      ValueError: it is neither; says what there is.
    """
    takes = inspect.signature(make).parameters
    passes_on = any(each.kind == inspect.Parameter.VAR_KEYWORD for each in takes.values())
    if name in takes or (passes_on and name in inspect.signature(type(first.unwrapped)).parameters):
        return True
    if holder_of(first, name) is not None:
        return False
    if passes_on:
        return True
    numbers = [
        each
        for each, value in vars(first.unwrapped).items()
        if isinstance(value, int | float) and not each.startswith("_")
    ]
    raise ValueError(
        f"{said}: {environment} has no such attribute or argument; it has "
        f"{', '.join(numbers) or 'no number to vary'}"
    )


def holder_of(environment: Any, name: str) -> Any:
    """The environment itself or what it wraps, whichever has the attribute first; None: none."""
    layer = environment
    while not hasattr(layer, name):
        if layer is environment.unwrapped:
            return None
        layer = layer.env
    return layer


def check_attribute(said: str, environment: str, first: Any, name: str, value: Any) -> None:
    """Whether the attribute can be set to `value`; it is.

    Raises:
      ValueError: it is no number where a number is given, or cannot be set.
    """
    holder = holder_of(first, name)
    now = getattr(holder, name)
    if isinstance(now, Real) and not isinstance(now, bool):
        fits = isinstance(value, Real) and math.isfinite(value)
    else:
        fits = type(value) is type(now)
    if not fits:
        raise ValueError(
            f"{said}: {value!r} cannot take the place of {str(now)[:40]}, which {environment} has; "
            "give a finite number for a number"
        )
    try:
        setattr(holder, name, value)
    except AttributeError as error:
        raise ValueError(f"{said}: {environment} does not let it be set ({error})") from None


def set_attributes(environment: Any, values: Mapping[str, Any]) -> Any:
    """Each in whichever layer has it; the environment."""
    for name, value in values.items():
        setattr(holder_of(environment, name), name, value)
    return environment


def digest(source: Source, environment: Any) -> str:
    """sha256 of what the configuration does not say: versions, and the user's module."""
    content = import_gymnasium().__version__.encode()
    if any(each.__module__.startswith(_OF_MUJOCO) for each in type(environment.unwrapped).__mro__):
        content += version("mujoco").encode()
    module, _, name = source.environment.rpartition(":")
    if module:
        own = _import(module, source)
        content += _code_of(own)
        if not hasattr(own, name):  # it is elsewhere in the package
            content += _code_of(type(environment.unwrapped))
    return hashlib.sha256(content).hexdigest()


def import_gymnasium() -> Any:
    """The package. Raises ValueError where it is not installed."""
    try:
        import gymnasium
    except ModuleNotFoundError as error:
        install = _INSTALL.format(extra="gym")
        raise ValueError(f"task.kind = 'gym' needs gymnasium: {install}") from error
    return gymnasium


def _import(name: str, source: Source) -> Any:
    """A module, from the folder of the source before all others."""
    refuse_namesakes([source.folder])
    if source.folder not in sys.path:
        sys.path.insert(0, source.folder)
    try:
        return importlib.import_module(name)
    except import_gymnasium().error.DependencyNotInstalled as error:
        raise _lacks(source, error) from error
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{source}: the module {name} cannot be imported from {source.folder} "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}); {source.mend}"
        ) from error


def _code_of(thing: Any) -> bytes:
    """The file that a module or class is in."""
    file = inspect.getsourcefile(thing)
    return Path(file).read_bytes() if file else b""


def _is_known(name: str) -> bool:
    """Whether gymnasium knows an environment by this name."""
    try:
        import_gymnasium().spec(name)
    except Exception:  # each of its reasons has a class of its own
        return False
    return True


def _signature(name: str) -> inspect.Signature:
    """Of what gymnasium makes `name` with; anything, where it cannot be said before it is made."""
    spec = import_gymnasium().registry.get(name)
    made: Any = getattr(spec, "entry_point", None)
    try:
        if isinstance(made, str):
            module, _, made = made.partition(":")
            made = getattr(importlib.import_module(module), made)
        return inspect.signature(made)
    except Exception:  # what is missing is told where it is made
        return inspect.signature(lambda **arguments: None)


def _with_signature(make: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
    make.__signature__ = signature  # type: ignore[attr-defined]
    return make


@contextlib.contextmanager
def _quiet(source: Source) -> Iterator[None]:
    """Not a word from MuJoCo of how a model is written, for each of many, and into a file here."""
    spec = import_gymnasium().registry.get(source.environment.rpartition(":")[2])
    if "mujoco" not in sys.modules and _OF_MUJOCO in str(getattr(spec, "entry_point", "")):
        with contextlib.suppress(ImportError):
            importlib.import_module("mujoco")
    mujoco = sys.modules.get("mujoco")
    if mujoco is None:
        yield
        return
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda warning: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)


def _lacks(said: object, error: Exception) -> ValueError:
    """What is not installed, and what to do about it."""
    ours = f"; {_INSTALL.format(extra='mujoco')}" if "mujoco" in str(error).lower() else ""
    return ValueError(f"{said} is not installed: {error}{ours}")
