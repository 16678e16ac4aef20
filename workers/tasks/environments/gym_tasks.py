"""The tasks of a gym family: which environment each is, and with which values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.listed import values_of
from workers.tasks.environments.task_set import TaskSet
from workers.tasks.environments.variation import (
    as_text,
    describe_variation,
    fits_array,
    overlap_notes,
    plain,
    vary,
)
from workers.tasks.splits import SPLITS
from workers.wire.protocol import Draw, Specs, Split

_PREFIX = "varied/"
_SET = "combination"
# Names that are shown of a longer list.
_SHOWN = 20

#: The id of a task's environment, and its values: arguments of the constructor, or attributes.
TaskValues = tuple[str, Mapping[str, Any]]


class GymTasks:
    """Draws of tasks. Each is the index of a combination, if there is a set, and varied values.

    set: the finite set of tasks; None where there is no list of environments, and no split: each
      choice is drawn by itself then.
    """

    def __init__(self, settings: GymTask):
        """List the finite set of tasks, if there is one; see `TaskSet`."""
        self._settings = settings
        is_set = settings.environments or settings.is_split
        self.set = TaskSet(settings) if is_set else None
        self._varied = {
            name: varied
            for name, varied in sorted(settings.vary.items())
            if self.set is None or varied.choice is None
        }

    def sample(self, draw: Draw, lo: int, hi: int) -> dict[str, Any]:
        """Draw the tasks lo to hi - 1, and a seed of the episodes for each."""
        rng = draw.generator()
        specs: dict[str, Any] = {}
        if self.set is None:
            unit = rng.random((hi, len(self._varied)))
        else:
            combinations, unit = self.set.draw(rng, draw.split, hi, len(self._varied))
            specs[_SET] = combinations[lo:]
        for column, (name, varied) in enumerate(self._varied.items()):
            specs[f"{_PREFIX}{name}"] = vary(varied, unit[lo:, column], draw.split)
        seeds = draw.generator(stream="rollouts").integers(2**63, size=hi, dtype=np.uint64)
        return {**specs, "rollouts": seeds[lo:]}

    def values(self, specs: Specs, task: int) -> TaskValues:
        """Return the id and the values of a drawn task."""
        own: dict[str, Any] = {}
        name = self._settings.environment or ""
        if self.set is not None:
            name, own = self.set.values(int(specs[_SET][task]))
        for key, varied in self._varied.items():
            value = specs[f"{_PREFIX}{key}"][task].item()
            own[key] = value if fits_array(varied) else plain((varied.choice or ())[value])
        return name, own

    def names(self, specs: Specs) -> list[str]:
        """Name tasks by the values that vary."""
        return [self._name(specs, task) for task in range(len(specs["rollouts"]))]

    def _name(self, specs: Specs, task: int) -> str:
        _, values = self.values(specs, task)
        told = {name: values[name] for name in self._varied}
        parts = [] if self.set is None else [self.set.names[int(specs[_SET][task])]]
        return ", ".join(part for part in [*parts, *map(_told, told.items())] if part)

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return where tasks are from, what varies, and how the set is split."""
        ids = self._settings.ids
        table: dict[str, Any] = {"tasks_from": _listed(ids, 3)}
        if self._settings.arguments:
            arguments = sorted(self._settings.arguments.items())
            table["arguments"] = ", ".join(f"{name} {as_text(value)}" for name, value in arguments)
        for name, varied in sorted(self._settings.vary.items()):
            table[name] = describe_variation(varied)
        if self.set is None:
            return table
        sizes = {each: len(self.set.splits[each]) for each in SPLITS}
        if not self.set.hash:
            same = f"none: training, validation and test have the same {sizes['test']} tasks"
            return {**table, "different_tasks": sizes[split], "split": same}
        told = f"{sizes['train']} training, {sizes['validation']} validation, {sizes['test']} test"
        return {
            **table,
            "different_tasks": sizes[split],
            "split": f"{told} tasks; none is in two",
            "split_hash": self.set.hash,
        }

    def describe(self) -> dict[str, Any]:
        """Name the tasks of each split."""
        if self.set is None:
            return {}
        return {
            f"{split}_tasks": _listed(
                [self.set.names[i] for i in self.set.splits[split]], _SHOWN, "; "
            )
            for split in SPLITS
        }

    def notes(self) -> list[str]:
        """Warn where a test asks nothing that training did not, and if nothing varies."""
        settings = self._settings
        if not settings.vary and len(settings.environments) < 2:
            return [
                "task.vary is empty, so all tasks are the same environment, unless it varies by "
                "itself when it is reset: adapting may change nothing; set what varies, for "
                "example task.vary.NAME.uniform=[0.5,2.0]"
            ]
        notes = [
            note for name, varied in self._varied.items() for note in overlap_notes(name, varied)
        ]
        choices = [len(varied.choice) for varied in settings.vary.values() if varied.choice]
        number = int(np.prod(choices)) if len(choices) == len(settings.vary) else 0
        if self.set is None and settings.split is None and number > 2:
            notes.append(
                f"test tasks are the {number} tasks of training, in other episodes; to keep some "
                "of them apart, set task.test_tasks (or task.split = false, to leave it so)"
            )
        return notes


def tasks_to_inspect(settings: GymTask) -> Iterator[TaskValues]:
    """Yield a task, and others that differ from it in one thing each."""
    base = {name: _start(varied) for name, varied in sorted(settings.vary.items())}
    tables: Sequence[Mapping[str, Any]] = settings.environments or ({},)
    for table in tables:
        yield _task(settings, table, base)
    for name, varied in sorted(settings.vary.items()):
        others: list[Any] = list(map(plain, varied.choice or ()))[1:]
        others += [_start(varied, "test")] if varied.test else []
        for other in others:
            yield _task(settings, tables[0], {**base, name: other})


def _task(settings: GymTask, table: Mapping[str, Any], varied: Mapping[str, Any]) -> TaskValues:
    name = str(table.get("id") or settings.environment)
    return name, values_of(table) | dict(varied)


def title_of(task: TaskValues) -> str:
    """Name a task by its environment and all values, for errors."""
    name, values = task
    return ", ".join([name, *map(_told, sorted(values.items()))])


def _start(varied: Any, split: Split = "train") -> Any:
    """Return the first value of a choice, or the lower end of a range."""
    if varied.choice is not None and not fits_array(varied):
        return plain(varied.choice[0])
    return vary(varied, np.zeros(1), split)[0].item()


def _told(value: tuple[str, Any]) -> str:
    name, content = value
    is_number = isinstance(content, int | float) and not isinstance(content, bool)
    return f"{name} {content:.4g}" if is_number else f"{name} {as_text(content)}"


def _listed(names: Sequence[str], most: int, between: str = ", ") -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more
