"""Every command with its arguments and options, from the command line itself."""

from typing import Any

from markdown_text import sentence, term
from typer.main import get_command

from orchestrator.cli.app import app
from orchestrator.cli.registry import COMMANDS


def text() -> str:
    """Return the page below its introduction."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    return "\n".join(_command(name, commands[name]) for name in COMMANDS)


def _command(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join(["metatrain", name, *map(_argument, arguments), "[OPTIONS]"])
    example = (command.epilog or "").removeprefix("Example: ")
    paragraphs = [sentence(each) for each in (command.help or "").split("\n\n")]
    parts = [f"## {name}\n", f"```\n{usage}\n```\n", *(f"{each}\n" for each in paragraphs)]
    parts += [f"Example:\n\n```sh\n{example}\n```\n"] if example else []
    parts += [_entry(_name(each), each) for each in arguments]
    parts += [_entry(_option(each), each) for each in options if each.name != "help"]
    return "\n".join(parts)


def _name(argument: Any) -> str:
    return argument.metavar or argument.name.upper()


def _argument(argument: Any) -> str:
    several = " ..." if argument.nargs == -1 and "..." not in _name(argument) else ""
    word = _name(argument) + several
    return word if argument.required else f"[{word}]"


def _option(option: Any) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {option.metavar or _kind(option)}"


def _kind(option: Any) -> str:
    return {"overrides": "KEY=VALUE"}.get(option.name, "VALUE")


def _entry(name: str, parameter: Any) -> str:
    remarks = ["**required**"] if parameter.required else []
    if parameter.default not in (None, False, "") and not parameter.required:
        remarks.append(f"default `{parameter.default}`")
    return term(name, remarks, sentence(parameter.help or ""))
