"""Packages whose environments are used through an adapter, since they break gymnasium's rules.

A new adapter is a file with a function from the name of an environment to its maker, and a row.
"""

from collections.abc import Callable
from typing import Any

from workers.settings.registry import named

_PLACES = {"metaworld": "workers.tasks.environments.metaworld:adapted"}


def adapter_of(environment: str) -> Callable[..., Any] | None:
    """Return the maker of "package:name"; None if gymnasium, or its module, makes it."""
    package, _, name = environment.partition(":")
    return named(_PLACES[package])(name) if package in _PLACES and name else None
