"""The registry of commands.

A new command is a file with a function, whose parameters are its options, and a row here. It is
imported when it is asked for; what takes long to import, such as TensorFlow and Ray, it imports
itself once its input is known to be right, so that help and refusals answer at once.
"""

from collections.abc import Iterator, MutableMapping
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from workers.settings.registry import named

COMMANDS = {
    "train": "orchestrator.cli_runs:train",
    "evaluate": "orchestrator.cli_runs:evaluate",
    "tune": "orchestrator.cli_runs:tune",
    "checkpoints": "orchestrator.commands.checkpoints_command:checkpoints",
    "presets": "orchestrator.commands.presets_command:presets",
    "data": "orchestrator.commands.data_command:data",
    "adapt": "orchestrator.cli_adapt:adapt",
    "export": "orchestrator.commands.export_command:export",
    "doctor": "orchestrator.commands.doctor_command:doctor",
    "submit": "orchestrator.cli_jobs:submit",
    "status": "orchestrator.cli_jobs:status",
    "logs": "orchestrator.cli_jobs:logs",
    "stop": "orchestrator.cli_jobs:stop",
    "list": "orchestrator.cli_jobs:list_jobs",
    "report": "orchestrator.commands.report_command:report",
}
#: Commands that take another command's words.
_PASS_ON = ("submit",)


class Group(TyperGroup):
    """The commands of the registry."""

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.commands = _Commands()


class _Commands(MutableMapping[str, Any]):
    """Name -> command, which is imported and made when it is looked up."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _command(name, COMMANDS[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _command(name: str, place: str) -> Any:
    app = typer.Typer(add_completion=False)
    passes_on = {"allow_interspersed_args": False} if name in _PASS_ON else None
    app.command(name, context_settings=passes_on)(named(place))
    return get_command(app)
