"""Typer's settings of a command beside its options, such as an example or a class."""

from collections.abc import Callable
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., None])
_ATTRIBUTE = "command_settings"


def command_settings(**settings: Any) -> Callable[[_Function], _Function]:
    """Mark a command's function with keyword arguments of `typer.Typer.command`."""

    def mark(function: _Function) -> _Function:
        setattr(function, _ATTRIBUTE, settings)
        return function

    return mark


def settings_of(function: Callable[..., None]) -> dict[str, Any]:
    """Return the settings that a command's function was marked with."""
    return dict(getattr(function, _ATTRIBUTE, {}))
