"""The registry of commands.

A new command is a file with a function, whose parameters are its options, and a row here. It is
imported when it is called. It imports slow modules, such as TensorFlow and Ray, itself once its
input has been checked, so that help and errors come at once.
"""

from collections.abc import Iterator, MutableMapping
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from orchestrator.cli.command_settings import settings_of
from workers.settings.registry import named

COMMANDS = {
    "train": "orchestrator.cli.train_command:train",
    "evaluate": "orchestrator.cli.evaluate_command:evaluate",
    "tune": "orchestrator.cli.tune_command:tune",
    "checkpoints": "orchestrator.cli.checkpoints_command:checkpoints",
    "presets": "orchestrator.cli.presets_command:presets",
    "data": "orchestrator.cli.data_command:data",
    "adapt": "orchestrator.cli.adapt.adapt_command:adapt",
    "generate": "orchestrator.cli.adapt.generate_command:generate",
    "adapt-policy": "orchestrator.cli.adapt.adapt_policy_command:adapt_policy",
    "export": "orchestrator.cli.export_command:export",
    "doctor": "orchestrator.cli.doctor_command:doctor",
    "submit": "orchestrator.cli.jobs.jobs_options:submit",
    "status": "orchestrator.cli.jobs.jobs_options:status",
    "logs": "orchestrator.cli.jobs.jobs_options:logs",
    "stop": "orchestrator.cli.jobs.jobs_options:stop",
    "list": "orchestrator.cli.jobs.jobs_options:list_jobs",
    "report": "orchestrator.cli.report_command:report",
}


class Group(TyperGroup):
    """The commands of the registry."""

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.commands = _Commands()


class _Commands(MutableMapping[str, Any]):
    """A mapping from name to command, which is imported and built on its first lookup."""

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
    function = named(place)
    app.command(name, **settings_of(function))(function)
    return get_command(app)
