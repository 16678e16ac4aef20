"""The sources of gymnasium environments: its registry, or a module of the user's."""

import contextlib
import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workers.tasks.environments.adapters import adapter_of
from workers.tasks.environments.attributes import like, replaces
from workers.wire.import_path import refuse_namesakes

_INSTALL = "pip install 'metatrain[{extra}]'"
_OF_MUJOCO = "gymnasium.envs.mujoco"


@dataclass(frozen=True, slots=True)
class Source:
    """The name of an environment: one registered with gymnasium, or 'module:Class'.

    "module:Name-v0" is gymnasium's own form: importing the module registers the name.

    environment: the name.
    folder: the first folder that the module is looked for in.
    where: the option or setting that holds the name, for errors.
    remedy: what to do if the module is not in the folder.
    """

    environment: str
    folder: str
    where: str = "task.environment ="
    remedy: str = "install it, or set task.folder to where it is"

    def __str__(self) -> str:
        return f"{self.where} {self.environment!r}"


def maker_of(source: Source) -> Callable[..., Any]:
    """Return a function from constructor arguments to a new environment.

    Raises:
      ValueError: there is no such environment, or a package that it needs is not installed.
    """
    gymnasium = import_gymnasium()
    module_name, _, name = source.environment.rpartition(":")
    adapter = adapter_of(source.environment)
    module = _import(module_name, source) if module_name and adapter is None else None
    member = adapter or getattr(module, name, None)
    is_registered = not callable(member) and (not name.isidentifier() or _is_registered(name))
    if is_registered or (module is None and adapter is None):

        def make_registered(**arguments: Any) -> Any:
            with _quiet(source):
                return gymnasium.make(name, disable_env_checker=True, **arguments)

        return _with_signature(make_registered, _signature(name))
    if not callable(member):
        raise ValueError(f"{source}: {module_name} has no class or function {name!r}")

    def make(**arguments: Any) -> Any:
        with _quiet(source):
            return member(**arguments)

    return _with_signature(make, inspect.signature(member))


def make_first(label: object, make: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Make an environment to inspect.

    Args:
      label: its name in errors.
    Raises:
      ValueError: it cannot be made; the message says which package to install if one is missing.
    """
    gymnasium = import_gymnasium()
    try:
        environment = make(**arguments)
    except gymnasium.error.DependencyNotInstalled as error:
        raise _not_installed(label, error) from error
    except (Exception, SystemExit) as error:
        passed = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise ValueError(
            f"{label} cannot be made with ({passed}): {type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}"
        ) from error
    kind = type(environment).__name__
    if not hasattr(environment, "step") or not hasattr(environment, "unwrapped"):
        raise ValueError(f"{label} returned a {kind}, not a gymnasium.Env")
    for space in ("observation_space", "action_space"):
        if getattr(environment, space, None) is None:
            raise ValueError(
                f"{label} returned a {kind} without {space}, which says what a policy needs"
            )
    return environment


def is_argument(
    label: str, environment: str, make: Callable[..., Any], first: Any, name: str
) -> bool:
    """Return whether `name` is an argument of `make`; else it is an attribute to set.

    An argument takes precedence: other attributes may have been computed from it.

    Args:
      label: what to call `name` in errors.
      make: as `maker_of` returns it, or a user's own. first: an environment that it made.
    Raises:
      ValueError: it is neither; the message lists what there is.
    """
    parameters = inspect.signature(make).parameters
    takes_any = any(each.kind == inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    if name in parameters:
        return True
    if takes_any and name in inspect.signature(type(first.unwrapped)).parameters:
        return True
    if holder_of(first, name) is not None:
        return False
    if takes_any:
        return True
    numbers = [
        attribute
        for attribute, value in vars(first.unwrapped).items()
        if isinstance(value, int | float) and not attribute.startswith("_")
    ]
    raise ValueError(
        f"{label}: {environment} has no such attribute or argument; it has "
        f"{', '.join(numbers) or 'no number to vary'}"
    )


def holder_of(environment: Any, name: str) -> Any:
    """Return the outermost layer of an environment that has the attribute; None if none has."""
    layer = environment
    while not hasattr(layer, name):
        if layer is environment.unwrapped:
            return None
        layer = layer.env
    return layer


def check_attribute(label: str, environment: str, first: Any, name: str, value: Any) -> None:
    """Set the attribute of `first` to `value`, after a check of its type.

    Raises:
      ValueError: the types or the lengths of lists differ, a number is not finite, or the attribute
        cannot be set.
    """
    current = getattr(holder_of(first, name), name)
    if not replaces(value, current):
        raise ValueError(
            f"{label}: {value!r} cannot replace {str(current)[:40]}, the value in {environment}; "
            "give a finite number for a number, and a list of as many for a list"
        )
    try:
        set_attributes(first, {name: value})
    except AttributeError as error:
        raise ValueError(f"{label}: {environment} does not let it be set ({error})") from None


def set_attributes(environment: Any, values: Mapping[str, Any]) -> Any:
    """Set each attribute in the layer that has it; return the environment.

    A list becomes an array or a tuple where the attribute was one.
    """
    for name, value in values.items():
        holder = holder_of(environment, name)
        setattr(holder, name, like(getattr(holder, name), value))
    return environment


def digest(source: Source, environment: Any) -> str:
    """Hash by sha256 what the configuration does not hold: versions, and the user's module."""
    content = import_gymnasium().__version__.encode()
    if any(base.__module__.startswith(_OF_MUJOCO) for base in type(environment.unwrapped).__mro__):
        content += version("mujoco").encode()
    for package in getattr(environment.unwrapped, "packages", ()):
        content += version(package).encode()
    module_name, _, name = source.environment.rpartition(":")
    if module_name:
        module = _import(module_name, source)
        content += _code_of(module)
        if not hasattr(module, name):  # it is elsewhere in the package
            content += _code_of(type(environment.unwrapped))
    return hashlib.sha256(content).hexdigest()


def import_gymnasium() -> Any:
    """Import gymnasium. Raises ValueError if it is not installed."""
    try:
        import gymnasium
    except ModuleNotFoundError as error:
        install = _INSTALL.format(extra="gym")
        raise ValueError(f"task.kind = 'gym' needs gymnasium: {install}") from error
    return gymnasium


def _import(name: str, source: Source) -> Any:
    """Import a module, from the source's folder before all others."""
    refuse_namesakes([source.folder])
    if source.folder not in sys.path:
        sys.path.insert(0, source.folder)
    try:
        return importlib.import_module(name)
    except import_gymnasium().error.DependencyNotInstalled as error:
        raise _not_installed(source, error) from error
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{source}: the module {name} cannot be imported from {source.folder} "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}); {source.remedy}"
        ) from error


def _code_of(module_or_class: Any) -> bytes:
    """Read the source file of a module or class; b"" if it has none."""
    file = inspect.getsourcefile(module_or_class)
    return Path(file).read_bytes() if file else b""


def _is_registered(name: str) -> bool:
    """Return whether an environment of this name is registered with gymnasium."""
    try:
        import_gymnasium().spec(name)
    except Exception:  # each reason raises a class of its own
        return False
    return True


def _signature(name: str) -> inspect.Signature:
    """Return the signature of `name`'s constructor; one that takes anything if it is unknown."""
    spec = import_gymnasium().registry.get(name)
    entry_point: Any = getattr(spec, "entry_point", None)
    try:
        if isinstance(entry_point, str):
            module, _, entry_point = entry_point.partition(":")
            entry_point = getattr(importlib.import_module(module), entry_point)
        return inspect.signature(entry_point)
    except Exception:  # what is missing is reported when the environment is made
        return inspect.signature(lambda **arguments: None)


def _with_signature(make: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
    make.__signature__ = signature  # type: ignore[attr-defined]
    return make


@contextlib.contextmanager
def _quiet(source: Source) -> Iterator[None]:
    """Silence MuJoCo's warnings on how a model is written: one per environment, also in a file."""
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


def _not_installed(label: object, error: Exception) -> ValueError:
    """Build the error for a missing package, with the command that installs it."""
    remedy = f"; {_INSTALL.format(extra='mujoco')}" if "mujoco" in str(error).lower() else ""
    return ValueError(f"{label} is not installed: {error}{remedy}")
