"""Environments of one name, made with the values of tasks."""

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from workers.tasks.environments.gym_source import (
    Source,
    check_attribute,
    is_argument,
    make_first,
    maker_of,
    set_attributes,
)


class GymMaker:
    """Makes environments of one name; a value is an argument of the constructor, or an attribute.

    source: the name.
    """

    def __init__(self, source: Source, arguments: Mapping[str, Any]):
        """Find the environment. Raises ValueError: there is no such one; see `maker_of`.

        Args:
          arguments: of the constructor, the same for all tasks.
        """
        self.source, self._arguments = source, dict(arguments)
        self._make = maker_of(source)
        self._is_argument: dict[str, bool] = {}

    @property
    def takes_arguments(self) -> bool:
        """Whether a value of those seen is an argument of the constructor."""
        return any(self._is_argument.values())

    def knows(self, values: Mapping[str, Any]) -> bool:
        """Return whether it is known of each value what it is."""
        return values.keys() <= self._is_argument.keys()

    def inspect(self, values: Mapping[str, Any], label: Callable[[str], str]) -> Any:
        """Make an environment with these values, after a check of each.

        Args:
          label: what to call a value in errors, by its name.
        Raises:
          ValueError: it cannot be made, or a value is for nothing that it has.
        """
        named = inspect.signature(self._make).parameters.keys() & values.keys()
        self._is_argument |= dict.fromkeys(sorted(named), True)
        first = make_first(self.source, self._make, self._with(values))
        unseen = [name for name in values if name not in self._is_argument]
        for name in unseen:
            self._is_argument[name] = is_argument(
                label(name), self.source.environment, self._make, first, name
            )
        if any(self._is_argument[name] for name in unseen):
            first.close()
            first = make_first(self.source, self._make, self._with(values))
        for name, value in self._attributes(values).items():
            check_attribute(label(name), self.source.environment, first, name, value)
        return first

    def make(self, values: Mapping[str, Any], **extra: Any) -> Any:
        """Make an environment; `extra`: further arguments of its constructor."""
        return self.set(self._make(**self._with(values), **extra), values)

    def set(self, environment: Any, values: Mapping[str, Any]) -> Any:
        """Set the values that are attributes; return the environment."""
        return set_attributes(environment, self._attributes(values))

    def _with(self, values: Mapping[str, Any]) -> dict[str, Any]:
        own = {name: value for name, value in values.items() if self._is_argument.get(name)}
        # An environment may change a list that it was given.
        return copy.deepcopy({**self._arguments, **own})

    def _attributes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if not self._is_argument[name]}
