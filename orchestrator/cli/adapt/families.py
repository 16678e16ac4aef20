"""The command that adapts a run: it depends on the loss of the run's tasks."""

import shlex
from typing import Literal

from orchestrator.text.redact import redact_word
from workers.losses.registry import make_loss
from workers.metrics import LossName

Command = Literal["adapt", "generate", "adapt-policy"]

# A run's description in messages, and the options that its command needs.
_FAMILIES: dict[Command, tuple[str, str]] = {
    "adapt": ("learns from examples", "--support FILE --query FILE"),
    "generate": ("generates texts", "--support FILE --number N"),
    "adapt-policy": ("is a policy", "--env ENV"),
}


class WrongFamilyError(ValueError):
    """A run that another command adapts.

    command: name of that command.
    """

    def __init__(self, message: str, command: Command):
        super().__init__(message)
        self.command = command


def command_of(loss: LossName) -> Command:
    """Return the command for runs whose tasks have this loss."""
    record = make_loss(loss)
    if record.acts:
        return "adapt-policy"
    return "generate" if record.generates else "adapt"


def check_family(command: Command, run: str, kind: str, loss: LossName) -> None:
    """Raise WrongFamilyError, which names the right command, if `command` does not adapt the run.

    Args:
      run: as it was typed.
      kind: its task.kind.
      loss: loss of its tasks.
    """
    right = command_of(loss)
    if right == command:
        return
    family, options = _FAMILIES[right]
    shown = redact_word(run)
    raise WrongFamilyError(
        f"{shown} {family} (task.kind = {kind!r}); use: metatrain {right} "
        f"{shlex.quote(shown)} {options}",
        right,
    )
