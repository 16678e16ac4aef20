"""The registry of commands.

A new command is a file with a function, whose parameters are its options, and a row here. It is
imported when it is called; the list of commands takes its description from the docstring, without
an import. It imports slow modules, such as TensorFlow and Ray, itself once its input has been
checked, so that help and errors come at once.
"""

import ast
import importlib
import importlib.util
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from orchestrator.cli.command_settings import settings_of

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
    "serve": "orchestrator.cli.serve_command:serve",
}


class Group(TyperGroup):
    """The commands of the registry."""

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.commands = _Commands()

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with the commands' descriptions alone."""
        commands, self.commands = self.commands, _Descriptions()
        try:
            super().format_help(ctx, formatter)
        finally:
            self.commands = commands


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


class _Descriptions(dict[str, Any]):
    """A mapping from name to a command that has nothing but its description."""

    def __init__(self) -> None:
        super().__init__(
            (name, TyperCommand(name, help=_description(place))) for name, place in COMMANDS.items()
        )


def _description(place: str) -> str:
    """Read the docstring of the function that "module:function" names, without importing it."""
    module, _, function = place.partition(":")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    defined = next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function
    )
    return ast.get_docstring(defined) or ""


def _command(name: str, place: str) -> Any:
    app = typer.Typer(add_completion=False)
    module, _, function_name = place.partition(":")
    function = getattr(importlib.import_module(module), function_name)
    app.command(name, **settings_of(function))(function)
    return get_command(app)
