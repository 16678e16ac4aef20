"""The data set of each class, where a task's classes are all of one (arXiv:1903.03096)."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from workers.tasks.images.data_sets.paths import DataSet
from workers.tasks.splits import Splits


class Domains:
    """The data sets of classes.

    names: in the order of the paths; ("",) where the classes of all sources are mixed.
    of_class: int32 [classes], the place of each class's data set among the names.
    """

    def __init__(self, sets: Sequence[DataSet], class_names: Sequence[str]):
        self._sets = sets
        self._class_names = class_names
        self.names = tuple(one.name for one in sets)
        places = {name: place for place, name in enumerate(self.names)}
        tops = [name.partition("/")[0] if self.are_apart else "" for name in class_names]
        self.of_class = np.array([places[top] for top in tops], np.int32)

    @property
    def are_apart(self) -> bool:
        """Whether a task's classes are all of one data set."""
        return self.names != ("",)

    @property
    def order(self) -> tuple[str, ...]:
        """The names, whose order decides what is drawn; () where all are mixed."""
        return self.names if self.are_apart else ()

    @property
    def tested(self) -> list[str]:
        """Name the data sets all of whose classes are test classes by task.test_path."""
        return [one.name for one in self._sets if one.is_test]

    def parts(self, splits: Splits) -> Iterator[tuple[str, NDArray[np.int32], Splits]]:
        """Yield each data set: its name, its classes, and its split as places among these."""
        for place, name in enumerate(self.names):
            classes = self.classes(place)
            own = {
                split: np.flatnonzero(np.isin(classes, part)).astype(np.int32)
                for split, part in splits.items()
            }
            yield name, classes, own

    def classes(self, place: int) -> NDArray[np.int32]:
        """Return the classes of a data set, ascending."""
        return np.flatnonzero(self.of_class == place).astype(np.int32)

    def own_name(self, index: int) -> str:
        """Return the name of a class without that of its data set."""
        name = self._class_names[index]
        return name.partition("/")[2] if self.are_apart else name

    def own_names(self, classes: Sequence[int] | NDArray[np.int32]) -> list[str]:
        """Return `own_name` of several classes."""
        return [self.own_name(int(index)) for index in classes]
