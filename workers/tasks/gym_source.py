"""Where gymnasium environments come from: its registry, or a module of the user's."""

import contextlib
import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workers.own_packages import refuse_namesakes
from workers.settings.environments import GymTask

_INSTALL = "pip install 'metatrain[{extra}]'"
_OF_MUJOCO = "gymnasium.envs.mujoco"


def maker_of(settings: GymTask) -> Callable[..., Any]:
    """A function from constructor arguments to a new environment.

    Raises:
      ValueError: there is no such environment, or what it needs is not installed.
    """
    gymnasium = import_gymnasium()
    module, colon, name = settings.environment.partition(":")
    if not colon:

        def make(**arguments: Any) -> Any:
            with _quiet(settings):
                return gymnasium.make(settings.environment, disable_env_checker=True, **arguments)

        return make
    found = getattr(_import(module, settings), name, None)
    if not callable(found):
        raise ValueError(f"{_said(settings)}: {module} has no class or function {name!r}")

    def make_own(**arguments: Any) -> Any:
        with _quiet(settings):
            return found(**arguments)

    return make_own


def make_first(settings: GymTask, make: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """An environment to look at.

    Raises:
      ValueError: it cannot be had; says what to install where something is missing.
    """
    gymnasium = import_gymnasium()
    try:
        environment = make(**arguments)
    except gymnasium.error.DependencyNotInstalled as error:
        raise _lacks(settings, error) from error
    except (Exception, SystemExit) as error:
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise ValueError(
            f"{_said(settings)} cannot be made with ({given}): {type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}"
        ) from error
    if not hasattr(environment, "step") or not hasattr(environment, "unwrapped"):
        raise ValueError(
            f"{_said(settings)} gave a {type(environment).__name__}, not a gymnasium.Env"
        )
    return environment


def digest(settings: GymTask, environment: Any) -> str:
    """sha256 of what the configuration does not say: versions, and the user's module."""
    content = import_gymnasium().__version__.encode()
    if any(each.__module__.startswith(_OF_MUJOCO) for each in type(environment.unwrapped).__mro__):
        content += version("mujoco").encode()
    module, colon, _ = settings.environment.partition(":")
    if colon:
        file = inspect.getsourcefile(_import(module, settings))
        content += Path(file).read_bytes() if file else b""
    return hashlib.sha256(content).hexdigest()


def import_gymnasium() -> Any:
    """The package. Raises ValueError where it is not installed."""
    try:
        import gymnasium
    except ModuleNotFoundError as error:
        install = _INSTALL.format(extra="gym")
        raise ValueError(f"task.kind = 'gym' needs gymnasium: {install}") from error
    return gymnasium


def _import(name: str, settings: GymTask) -> Any:
    """A module, from the folder of the settings before all others."""
    refuse_namesakes([settings.folder])
    if settings.folder not in sys.path:
        sys.path.insert(0, settings.folder)
    try:
        return importlib.import_module(name)
    except import_gymnasium().error.DependencyNotInstalled as error:
        raise _lacks(settings, error) from error
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{_said(settings)}: the module {name} cannot be imported from {settings.folder} "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}); set task.folder to "
            "where it is"
        ) from error


@contextlib.contextmanager
def _quiet(settings: GymTask) -> Iterator[None]:
    """Not a word from MuJoCo of how a model is written, for each of many, and into a file here."""
    spec = import_gymnasium().registry.get(settings.environment)
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


def _lacks(settings: GymTask, error: Exception) -> ValueError:
    """What is not installed, and what to do about it."""
    ours = f"; {_INSTALL.format(extra='mujoco')}" if "mujoco" in str(error).lower() else ""
    return ValueError(f"{_said(settings)} is not installed: {error}{ours}")


def _said(settings: GymTask) -> str:
    return f"task.environment = {settings.environment!r}"
