"""The options of the commands about jobs on a cluster: submit, status, logs, stop, list."""

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.json_output import Json
from orchestrator.run.signals import Interrupted
from orchestrator.text.redact import redact_word

Address = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The cluster's dashboard. Default: RAY_API_SERVER_ADDRESS, RAY_ADDRESS, "
        "http://127.0.0.1:8265.",
    ),
]
Id = Annotated[
    str | None,
    typer.Argument(help="A job, or the beginning of its id; optional if there is only one."),
]
_EXAMPLE = "for example: metatrain submit -- train sinusoid"


@command_settings(
    context_settings={"allow_interspersed_args": False},
    epilog="Example: metatrain submit --wait -- train omniglot-5w1s --out s3://bucket/runs/first",
)
def submit(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(metavar="-- COMMAND ...", help="train ..., tune ... or evaluate ..."),
    ],
    address: Address = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the job, and exit with its exit code.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="One more attempt, which resumes the run.")
    ] = False,
    working_dir: Annotated[
        Path,
        typer.Option(
            help="The folder that is shipped and in which the command runs: the files that git "
            "tracks there; outside a work tree, those that .gitignore does not name."
        ),
    ] = Path(),
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Ship this too: a path, or a pattern as in .gitignore; repeatable. A file that "
            "looks like a secret is shipped only if its exact path is given.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be shipped and what not; send nothing."),
    ] = False,
    python: Annotated[
        str | None, typer.Option(metavar="PATH", help="A Python on the head. Default: Ray's own.")
    ] = None,
) -> None:
    """Run a command on a Ray cluster, with the code in this folder."""
    from orchestrator.jobs import shipping, submission

    name, *rest = words
    if name not in submission.SUBMITTABLE:
        names = ", ".join(submission.SUBMITTABLE)
        raise ValueError(f"{name!r} cannot be submitted; allowed are {names}; {_EXAMPLE}")
    _enter(working_dir)
    values = _parse(context, name, rest)
    shipment = shipping.choose(Path.cwd(), include or [])
    from orchestrator.cli.jobs import submit_command

    if dry_run:
        submit_command.show_shipment(shipment)
    shipment.check()
    planned = submission.plan(name, values, shipment)
    if dry_run:
        submit_command.show_plan(planned)
        return
    again_with = submit_command.options(str(working_dir), include or [], python)
    with _interruptible("interrupted; metatrain list shows whether the job was submitted"):
        code = submit_command.submit_job(
            planned, shipment, address, again, wait, python, again_with
        )
    raise SystemExit(code)


@command_settings(epilog="Example: metatrain status train-first")
def status(id: Id = None, address: Address = None, as_json: Json = False) -> None:
    """Show the state and the progress of a job."""
    from orchestrator.cli.jobs import jobs_command

    with _interruptible():
        jobs_command.show_status(jobs_command.connect(address), id, as_json)


@command_settings(epilog="Example: metatrain logs --follow")
def logs(
    id: Id = None,
    follow: Annotated[
        bool,
        typer.Option("-f", "--follow", help="Follow until the job ends; exit with its exit code."),
    ] = False,
    address: Address = None,
) -> None:
    """Print the log of a job."""
    from orchestrator.cli.jobs import jobs_command

    with _interruptible():
        jobs = jobs_command.connect(address)
        code = jobs_command.show_log(jobs, id, follow, _option(address))
    raise SystemExit(code)


@command_settings(epilog="Example: metatrain stop train-first")
def stop(id: Id = None, address: Address = None) -> None:
    """Ask a job to save and end, and wait until it has."""
    from orchestrator.cli.jobs import jobs_command

    with _interruptible("the job has been asked to stop; metatrain status shows whether it has"):
        jobs_command.stop(jobs_command.connect(address), id, _option(address))


@command_settings(epilog="Example: metatrain list --address http://127.0.0.1:8265")
def list_jobs(address: Address = None, as_json: Json = False) -> None:
    """List the jobs on a cluster."""
    from orchestrator.cli.jobs import jobs_command

    with _interruptible():
        jobs_command.show_list(jobs_command.connect(address), as_json)


def _option(address: str | None) -> str:
    """Return --address for the next commands; "" where none was given."""
    return f" --address {shlex.quote(redact_word(address))}" if address else ""


def _enter(folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError(f"--working-dir {folder} is no folder; give the one that holds your code")
    os.chdir(folder)


def _parse(context: typer.Context, name: str, words: list[str]) -> dict[str, Any]:
    """Parse the words as the local command of that name would."""
    assert context.parent is not None
    group: Any = context.parent.command
    return group.commands[name].make_context(f"metatrain submit -- {name}", words).params


@contextlib.contextmanager
def _interruptible(message: str = "interrupted") -> Iterator[None]:
    """Exit with 75 and a line on a signal within, and silently where a pipe is closed."""
    from orchestrator.cli.common import NOTES

    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        NOTES.print("", message, sep="\n")
        raise SystemExit(75) from None
    except BrokenPipeError:  # the reader, such as head, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
