"""The registry of task families.

A new family is a file with a record (see `TaskRecord`) and a `TaskFamily`, and a row here.
"""

from typing import TYPE_CHECKING

from workers.settings.registry import records, union

if TYPE_CHECKING:
    from workers.settings.task import TaskRecord

_PLACES = {
    "sinusoid": "workers.settings.sinusoid_task:SinusoidTask",
    "images": "workers.settings.images_task:ImagesTask",
    "signal": "workers.settings.signal_task:SignalTask",
    "table": "workers.settings.table_task:TableTask",
    "text": "workers.settings.text_tasks:TextTask",
    "matching": "workers.settings.text_tasks:MatchingTask",
    "generation": "workers.settings.generation_task:GenerationTask",
    "python": "workers.settings.python_task:PythonTask",
    "npz": "workers.settings.npz_task:NpzTask",
    "navigation": "workers.settings.environments.navigation_task:NavigationTask",
    "gym": "workers.settings.environments.gym_task:GymTask",
}

#: kind -> record.
TASKS: dict[str, type["TaskRecord"]] = records(_PLACES)

#: The settings of a task family that a run can train on.
if TYPE_CHECKING:
    TaskSettings = TaskRecord
else:
    TaskSettings = union(TASKS)
