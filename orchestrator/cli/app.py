"""The command line. Exit codes: 0 done, 1 the run failed, 2 the input was wrong, 75 stopped.

The commands are rows of `registry.py`.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli import typed_command
from orchestrator.cli.ending import EXIT_FAILED, EXIT_STOPPED, EXIT_WRONG_INPUT, stop
from orchestrator.cli.registry import Group
from orchestrator.run.signals import Interrupted
from orchestrator.storage.disk_errors import has_remedy, remedy
from orchestrator.text.lasting_console import flush_all, say_last
from orchestrator.text.redact import redact
from workers.execution import runtime
from workers.execution.isa import RestartNeededError
from workers.wire.errors import MetatrainError, TaskError

_INTERRUPTED = 130  # typer's exit code for a Ctrl-C that nothing else handled

app = typer.Typer(
    name="metatrain",
    cls=Group,
    help="Meta-training on Ray: the same weights, bit for bit, on a laptop and on a cluster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from metatrain import __version__

        print(f"metatrain {__version__}")
        raise typer.Exit


@app.callback()
def _all(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options of every command."""


def main() -> None:
    """Run the command line. Errors are one line on standard error; a signal exits with 75."""
    stop.cache_clear()
    runtime.own_process()
    try:
        stop()
        typed_command.check_letters(sys.argv[1:])
        typed_command.check_settings(sys.argv[1:])
        code = app(standalone_mode=False)
        flush_all()
    except Interrupted:
        stop().ignore_to_the_end()
        _exit("stopped", EXIT_STOPPED)
    except RestartNeededError as error:
        _start_again(error.environment)
    except typer.TyperException as error:
        if not str(error):  # no command at all: the help was printed
            raise SystemExit(EXIT_WRONG_INPUT) from None
        _exit(f"{error.format_message()}{typed_command.as_setting()}", EXIT_WRONG_INPUT)
    except ValueError as error:
        _exit(str(error), EXIT_WRONG_INPUT)
    except TaskError as error:
        first, _, trace = str(error).partition("\n")
        if trace:
            say_last(trace)
        _exit(first, EXIT_FAILED)
    except MetatrainError as error:
        _exit(str(error), EXIT_FAILED)
    except MemoryError as error:
        _exit(f"there is not enough memory: {error or 'lower the number of tasks'}", EXIT_FAILED)
    except RuntimeError as error:
        if "home directory" not in str(error):
            raise
        _exit("there is no home folder for ~; give absolute paths, or set HOME", EXIT_WRONG_INPUT)
    except OSError as error:
        _exit(_system_message(error), EXIT_FAILED)
    if code == _INTERRUPTED:
        _exit("interrupted", EXIT_STOPPED)
    if code:
        raise SystemExit(code)


def _start_again(variables: dict[str, str]) -> None:
    """Replace this process by one with these variables, which runs the same command."""
    flush_all()
    script = Path(sys.argv[0])
    is_file = script.is_file() and script.suffix != ".py"  # else python -m metatrain
    program = [str(script)] if is_file else ["-m", "metatrain"]
    command = [sys.executable, *program, *sys.argv[1:]]
    os.execve(sys.executable, command, {**os.environ, **variables})


def _system_message(error: OSError) -> str:
    """Describe an error of the system: its reason, its file, and the remedy if one is known."""
    reason = error.strerror or str(error)
    description = f"{reason}: {error.filename or ''}".rstrip(": ")
    return f"{description}; {remedy(error)}" if has_remedy(error) else description


def _exit(message: Any, code: int) -> None:
    say_last(f"metatrain: {redact(' '.join(str(message).split()))}")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
