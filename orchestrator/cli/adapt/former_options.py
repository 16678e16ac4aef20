"""Options for texts and environments that `metatrain adapt` had before it became three commands.

They are forwarded for one version. After that, remove this file and `cls=FormerAdapt`.
"""

import shlex
from typing import Any

import typer
from typer.core import TyperCommand

from orchestrator.cli.adapt.families import Command, WrongFamilyError
from orchestrator.text.redact import redact_word

# Former option -> the command that has it now, and its name there.
_MOVED: dict[str, tuple[Command, str]] = {
    "--generate": ("generate", "--number"),
    "--env": ("adapt-policy", "--env"),
    "--env-arg": ("adapt-policy", "--env-arg"),
    "--episodes": ("adapt-policy", "--episodes"),
    "--judged-by": ("adapt-policy", "--evaluation-episodes"),
}
# Options that the former command accepted and ignored; they are dropped when it is forwarded.
_UNUSED: dict[Command, tuple[str, ...]] = {
    "adapt": ("--prompt", "--temperature", "--top-k", "--seed"),
    "generate": (),
    "adapt-policy": ("--prompt", "--temperature", "--top-k", "--verbose"),
}
_FLAGS = ("--verbose", "--json", "--help")
_WORDS = "metatrain.words"


class FormerAdapt(TyperCommand):
    """The command `adapt`, which forwards options of other commands to them, with a note."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Make the context of this command, or of the command that has the options now.

        Raises:
          ValueError: the options belong to several commands, or that command refuses them.
        """
        options = _options(args)
        moved = [option[0] for option in options if option[0] in _MOVED]
        command = _command(moved)
        words = _words(options, command)
        if moved:
            context = _context(parent, command, words, f"{_listed(moved)} moved to")
            _note(f"{_listed(moved)} moved to another command", command, words)
            return context
        context = super().make_context(info_name, list(words), parent, **extra)
        context.meta[_WORDS] = words
        if unused := [option[0] for option in options if option[0] in _UNUSED["adapt"]]:
            _note(f"{_listed(unused)} does nothing here", command, words)
        return context

    def invoke(self, ctx: Any) -> Any:
        """Run the command; for a run that generates texts, run `generate`."""
        try:
            return super().invoke(ctx)
        except WrongFamilyError as error:
            if error.command != "generate":
                raise
            words = ctx.meta[_WORDS]
        with _context(ctx.parent, "generate", words, "texts are for") as other:
            _note("texts have a command of their own", "generate", words)
            return other.command.invoke(other)


def _options(words: list[str]) -> list[tuple[str, ...]]:
    """Split words into (option, word, ...), as typed; words without an option get the name ""."""
    options: list[tuple[str, ...]] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, joined, _ = word.partition("=")
        if word == "--":
            return [*options, ("", word, *rest)]
        if not word.startswith("--"):
            options.append(("", word))
        elif joined or name in _FLAGS or not rest:
            options.append((name, word))
        else:
            options.append((name, word, rest.pop(0)))
    return options


def _command(moved: list[str]) -> Command:
    """Return the command that has these options now. Raises ValueError if there are two."""
    commands = {_MOVED[name][0]: name for name in moved}
    if len(commands) > 1:
        owners = " and ".join(f"{name} of metatrain {owner}" for owner, name in commands.items())
        raise ValueError(f"these are options of two commands: {owners}; give those of one")
    return next(iter(commands), "adapt")


def _words(options: list[tuple[str, ...]], command: Command) -> list[str]:
    """Return the words for `command`: options by their new names, without those it ignores."""
    words: list[str] = []
    for name, first, *rest in options:
        if name in _UNUSED[command] or (command == "adapt-policy" and _no_workers(first, *rest)):
            continue
        new = _MOVED[name][1] if name in _MOVED else name
        words += [new + first.removeprefix(name), *rest]
    return words


def _no_workers(*typed: str) -> bool:
    return typed in (("--workers", "0"), ("--workers=0",))


def _context(parent: Any, command: Command, words: list[str], why: str) -> Any:
    """Make the context of another command. Raises ValueError if it refuses the words."""
    other = parent.command.get_command(parent, command)
    try:
        return other.make_context(command, list(words), parent)
    except typer.TyperException as error:
        raise ValueError(f"{error.format_message()} ({why} metatrain {command})") from None


def _note(what: str, command: Command, words: list[str]) -> None:
    from orchestrator.cli.common import show_note

    line = shlex.join(["metatrain", command, *map(redact_word, words)])
    show_note(f"{what}; the next version accepts only: {line}")


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))
