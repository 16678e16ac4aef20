"""Signals and series of one's own, made what the run's were: windows, standardized."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from orchestrator.adaptation.readers.arrays import as_numbers, checked
from orchestrator.adaptation.readers.reader import Columns, Examples, Reader, Role
from orchestrator.adaptation.user_tasks import UserTask
from workers.settings.signal_task import SignalTask
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.scaling import ExampleScaling, Scaling
from workers.tasks.signals.columns import Wanted, as_names
from workers.tasks.signals.dataset import told
from workers.tasks.signals.recordings import Recordings
from workers.tasks.signals.scale import SignalScale, scaling_of_support
from workers.tasks.signals.series import targets_of
from workers.tasks.signals.sources import FORMS, read_signals
from workers.tasks.signals.windows import Windows
from workers.wire.errors import DataError
from workers.wire.protocol import Array

if TYPE_CHECKING:
    from typing import Literal

_OPTIONS = (
    ("signal_column", "--input-column"),
    ("label_column", "--target-column"),
    ("recording_column", "--task-column"),
)


@dataclass(frozen=True, slots=True)
class SeriesTask(UserTask):
    """A task whose samples are in units of its support windows. scaling: of these, [channels]."""

    scaling: Scaling

    @classmethod
    def of(cls, task: UserTask, scaling: Scaling) -> Self:
        """Return a task, in these units already."""
        own: dict[str, Any] = {each.name: getattr(task, each.name) for each in fields(task)}
        return cls(**own, scaling=scaling)


class SignalReader(Reader):
    """The forms of files that a run trains on; columns are the run's, unless others are named."""

    def __init__(self, task: SignalTask, shapes: UserTaskShapes):
        self._task, self._input_shape = task, shapes.input_shape
        self._scale = SignalScale.from_dict(shapes.preparation["signals"])
        self._rate: int | None = shapes.preparation["signals"]["rate"]
        self._classifies = task.target == "class"
        #: Whether samples are in units of a task's own support windows.
        self._by_support = not self._classifies and self._scale.by == "example"

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """Signals of a source, or windows of them.

        Of a series to forecast, what follows a window is its target; the last window of each series
        is to be forecast where nothing follows any.
        """
        path = Path(source).expanduser()
        if not path.exists():
            raise DataError(f"--{role} {source} does not exist; give {FORMS}")
        signals = read_signals(path, self._wanted(role, columns))
        recordings = Recordings.of(path.name, signals, self._rate)
        self._check_channels(recordings, source, role)
        windows, known = self._cut(recordings, role)
        samples = windows.take(recordings.values, np.arange(len(windows)))
        tasks = [recordings.recordings[i] for i in windows.signals]
        split = columns.task is not None or (not self._classifies and len(set(tasks)) > 1)
        return Examples(
            inputs=samples if self._by_support else self._scale.apply(samples),
            targets=self._targets_of(recordings, windows) if known else None,
            names=[told(recordings, windows, i) for i in range(len(windows))],
            tasks=tasks if split else [""] * len(windows),
        )

    def inputs(self, given: Any) -> Array:
        """[n, length, channels] in the source's own units; of one channel also [n, length]."""
        found = as_numbers(given, np.float64)
        if found.ndim == 2 and self._input_shape[1:] == (1,):
            found = found[..., None]
        found = checked(found, self._input_shape)
        return found if self._by_support else self._scale.apply(found)

    def targets(self, given: Any) -> Array:
        """Values [n] or [n, outputs] in their own units, as the model is scored by them."""
        found = as_numbers(given, np.float64, "targets")
        found = found[:, None] if found.ndim == 1 else found
        if self._by_support:
            return found
        return self._scale.apply_to_targets(found, self._task.target_channel)

    def shown(self, inputs: Array) -> Array:
        """See `Reader.shown`: samples in the source's own units, where all tasks have the same."""
        return inputs if self._scale.fixed is None else self._scale.fixed.undo(inputs)

    def values(self, outputs: Array) -> Array:
        """Convert outputs to the source's units."""
        scaling = self._scale.of_targets(self._task.target_channel)
        return outputs if scaling is None or self._by_support else scaling.undo(outputs)

    def answers(self, task: UserTask, outputs: Array) -> Array:
        """In the source's own units."""
        if not self._by_support:
            return self.values(outputs)
        return self._of_targets(self._scaling(task)).undo(outputs)

    def scored(self, task: UserTask) -> Array | None:
        """See `Reader.scored`."""
        targets = task.query_targets
        if targets is None or not self._by_support:
            return targets
        return self._of_targets(self._scaling(task)).apply(targets)

    def scaling(self, task: UserTask) -> ExampleScaling | None:
        """Return samples, and values to predict, as the source has them."""
        shape = self._input_shape
        if self._classifies and self._scale.by == "example":
            return ExampleScaling(Scaling(np.zeros(shape), np.ones(shape)), each=True)
        scaling = self._scaling(task) if self._by_support else self._scale.fixed
        if scaling is None:
            return None
        inputs = Scaling(*(np.broadcast_to(each, shape) for each in scaling))
        return ExampleScaling(inputs, None if self._classifies else self._of_targets(scaling))

    def assemble(self, task: UserTask) -> UserTask:
        """In units of its support windows, if the run's are; queries' targets stay as they are."""
        if not self._by_support or isinstance(task, SeriesTask):
            return task
        scaling = scaling_of_support(task.support_inputs)
        scaled = replace(
            task,
            support_inputs=scaling.apply(task.support_inputs),
            support_targets=self._of_targets(scaling).apply(task.support_targets),
            query_inputs=scaling.apply(task.query_inputs),
        )
        return SeriesTask.of(scaled, scaling)

    def _scaling(self, task: UserTask) -> Scaling:
        if isinstance(task, SeriesTask):
            return task.scaling
        return scaling_of_support(task.support_inputs)

    def _of_targets(self, scaling: Scaling) -> Scaling:
        """Of values to predict, where samples have `scaling`."""
        if self._scale.target is not None:
            return self._scale.target
        channel = self._task.target_channel
        return Scaling(*(each[channel : channel + 1] for each in scaling))

    def _wanted(self, role: Role, columns: Columns) -> Wanted:
        labelled: Literal["needed", "maybe", "unused"]
        labelled = "needed" if role == "support" else "maybe"
        if self._task.target == "forecast":
            labelled = "unused"
        own = None if self._classifies else self._task.recording_column
        return Wanted(
            signals=columns.inputs or as_names(self._task.signal_column),
            labels=(columns.target,) if columns.target else as_names(self._task.label_column),
            recording=columns.task or own,
            labelled=labelled,
            measures=self._task.target == "value",
            options=_OPTIONS,
            tells_recordings=columns.task is not None,
        )

    def _cut(self, recordings: Recordings, role: Role) -> tuple[Windows, bool]:
        """Windows as long as those of training, and whether their targets are known."""
        length, lengths = self._input_shape[0], recordings.lengths
        if self._task.window is None and (wrong := np.flatnonzero(lengths != length)).size:
            name = recordings.names[int(wrong[0])]
            raise DataError(
                f"--{role}: {name} has {lengths[wrong[0]]} samples, the model takes {length}; cut "
                "it, or train with task.window"
            )
        hop = self._task.hop or length
        settings = self._task.model_copy(update={"window": length, "hop": hop})
        if self._task.target == "forecast":
            ahead = role == "support" or bool((lengths >= length + settings.horizon).any())
            return Windows.cut(recordings, settings, False, ahead), ahead
        known = (
            recordings.labels is not None if self._classifies else recordings.targets is not None
        )
        return Windows.cut(recordings, settings, False), known

    def _targets_of(self, recordings: Recordings, windows: Windows) -> list[str] | Array:
        if self._classifies:
            assert recordings.labels is not None
            return [recordings.labels[i] for i in windows.signals]
        if self._task.target == "value":
            return self.targets(targets_of(recordings, windows))
        channel = self._task.target_channel
        values = recordings.values[:, channel : channel + 1]
        following = windows.following(values, np.arange(len(windows)), self._task.horizon)
        return self.targets(following[..., 0])

    def _check_channels(self, recordings: Recordings, source: str, role: Role) -> None:
        if recordings.channels != self._input_shape[1]:
            raise DataError(
                f"--{role} {source}: signals have {recordings.channels} channel"
                f"{'' if recordings.channels == 1 else 's'}, the model takes {self._input_shape[1]}"
            )
