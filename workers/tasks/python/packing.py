"""Dicts of inputs, packed into one vector an example; see `workers.wire.packed_inputs`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tasks.python.examples import stacked
from workers.tasks.python.labels import BadTaskError
from workers.wire.packed_inputs import Part

# Whole numbers up to here are exact as float32.
_LARGEST = 2**24


class Packing:
    """What the dicts of a family are like: that of the first task, and so all others.

    parts: name -> shape of an example's; None until a dict was seen, or where there are none.
    """

    parts: dict[str, Part] | None = None

    def pack(
        self, values: Sequence[Any] | Mapping[str, Any], tasks: Sequence[int], called: str
    ) -> NDArray[np.float32]:
        """Join the inputs of several tasks: [tasks, examples, numbers].

        Args:
          values: a dict for each task, or one of arrays with an axis of tasks first.
        Raises:
          BadTaskError: they are not like the first, or no such arrays.
        """
        names = self._names(values, tasks, called)
        found, parts = [], {}
        for name in names:
            own = values[name] if isinstance(values, Mapping) else [v[name] for v in values]
            said = f"{called}[{name!r}]"
            array = stacked(own, tasks, said)
            parts[name] = Part(array.shape[2:] or (1,), array.dtype.kind in "iub")
            _check_ids(array, parts[name], tasks, said)
            found.append(array.reshape(*array.shape[:2], parts[name].size).astype(np.float32))
            if found[-1].shape[:2] != found[0].shape[:2]:
                raise BadTaskError(
                    tasks[0],
                    f"has {found[-1].shape[1]} examples in its {said}, but {found[0].shape[1]} in "
                    f"{called}[{names[0]!r}]",
                )
        self.parts = self.parts or parts
        if parts != self.parts:
            raise BadTaskError(
                tasks[0],
                f"has a {called} of {_told(parts)}, the first task one of {_told(self.parts)}; all "
                "tasks need the same",
            )
        return np.concatenate(found, axis=-1)

    def _names(
        self, values: Sequence[Any] | Mapping[str, Any], tasks: Sequence[int], called: str
    ) -> list[str]:
        each = [values] if isinstance(values, Mapping) else values
        wanted = list(self.parts or each[0])
        for place, own in enumerate(each):
            if not isinstance(own, Mapping) or sorted(own) != sorted(wanted) or not wanted:
                got = f"a dict of {_listed(own)}" if isinstance(own, Mapping) else "no dict"
                raise BadTaskError(
                    tasks[place],
                    f"has {got} as {called}, the first task a dict of {_listed(wanted)}",
                )
        if not all(isinstance(name, str) and name.isidentifier() for name in wanted):
            raise BadTaskError(
                tasks[0], f"has a {called} with the keys {wanted}; keys are names of inputs"
            )
        return sorted(wanted)


def _check_ids(array: NDArray[Any], part: Part, tasks: Sequence[int], said: str) -> None:
    if part.integers and array.size and (array.min() < 0 or array.max() > _LARGEST):
        raise BadTaskError(
            tasks[0],
            f"has whole numbers outside of 0 to 2^24 in its {said}; ids are within, give other "
            "numbers as floats",
        )


def _told(parts: Mapping[str, Part]) -> str:
    kinds = {True: " of integers", False: ""}
    return ", ".join(f"{n} {list(p.shape)}{kinds[p.integers]}" for n, p in parts.items())


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names)) or "nothing"
