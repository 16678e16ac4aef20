"""The command line. Exit codes: 0 done, 1 the run failed, 2 the input was wrong, 75 stopped.

TensorFlow and Ray are imported inside the commands that need them, after the input is known to be
right, so that help and refusals answer at once.
"""

import functools
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli import doctor_options, export_command, report_options, typed_command
from orchestrator.cli.adapt import adapt_command, adapt_policy_command, generate_command
from orchestrator.cli.exit_codes import EXIT_FAILED, EXIT_STOPPED, EXIT_WRONG_INPUT
from orchestrator.cli.jobs import jobs_options
from orchestrator.cli.local_path import local_path
from orchestrator.cli.options import Set, Verbose, Workers, WorkersOfRun
from orchestrator.config import schema as configuration
from orchestrator.run.signals import GracefulStop, Interrupted
from orchestrator.storage.disk_errors import has_remedy, remedy
from orchestrator.text.lasting_console import flush_all, say_last, while_somebody_reads
from orchestrator.text.redact import redact
from workers.execution import runtime
from workers.wire.errors import MetatrainError, TaskError

_INTERRUPTED = 130  # what typer makes of a Ctrl-C where nobody else takes it

app = typer.Typer(
    name="metatrain",
    help="Meta-training on Ray: the same weights, bit for bit, on a laptop and on a cluster.",
    add_completion=False,
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
            "--version", callback=_show_version, is_eager=True, help="Print the version, and end."
        ),
    ] = False,
) -> None:
    """What holds for every command."""


@app.command()
def train(
    preset: Annotated[str, typer.Argument(help="A preset or a FILE.toml.")] = "sinusoid",
    overrides: Set = None,
    out: Annotated[
        str | None, typer.Option(help="Folder or URI of the run. Default: runs/NAME.")
    ] = None,
    workers: Workers = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")
    ] = False,
    allow_changes: Annotated[
        bool,
        typer.Option(
            "--allow-changes", help="Resume though the configuration changes the numbers."
        ),
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Train, evaluate on held-out tasks, and draw the result."""
    from orchestrator.cli import train_command

    config, notes = _load(preset, overrides, workers)
    train_command.execute(config, notes, preset, out, resume, allow_changes, verbose, _stop())


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
    tasks: Annotated[int | None, typer.Option(help="Test tasks.")] = None,
    overrides: Set = None,
    workers: WorkersOfRun = "0",
    out: Annotated[
        Path | None, typer.Option(parser=local_path, help="Write the scores to this JSON file.")
    ] = None,
    allow_changes: Annotated[
        bool,
        typer.Option(
            "--allow-changes", help="Evaluate with another configuration or data than trained."
        ),
    ] = False,
    named: Annotated[
        str | None,
        typer.Option("--checkpoint", metavar="NAME", help="Instead of the best; or its step."),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Evaluate a run's best checkpoint on held-out tasks."""
    from orchestrator.cli import evaluate_command

    given = [*(overrides or []), *([f"evaluation.tasks={tasks}"] if tasks is not None else [])]
    evaluate_command.execute(run, given, workers, out, allow_changes, verbose, named)


@app.command()
def tune(
    sweep: Annotated[str, typer.Argument(help="A shipped sweep, or a FILE.toml.")] = "sinusoid",
    overrides: Set = None,
    out: Annotated[
        str | None, typer.Option(help="Folder or URI of the sweep. Default: runs/NAME.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the sweep in --out.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Search hyperparameters by validation tasks; evaluate the best on the test tasks."""
    from orchestrator.cli import tune_command

    location = tune_command.location(sweep, out, resume)
    try:
        tune_command.execute(sweep, overrides or [], location, resume, verbose)
    except Interrupted:
        _stop().ignore_to_the_end()
        if tune_command.is_begun(location):
            say_last(f"stopped; go on with: {typed_command.resume_command(location)}")
        else:
            say_last("stopped before anything began")
        raise SystemExit(EXIT_STOPPED) from None


@app.command()
def checkpoints(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
) -> None:
    """List a run's checkpoints, and verify each."""
    from orchestrator.cli import checkpoints_command

    checkpoints_command.execute(run)


@app.command()
def presets() -> None:
    """List the presets and the sweeps, and what each of them is."""
    from orchestrator.sweep.settings import SHIPPED, shipped_sweeps

    with while_somebody_reads():
        for name in configuration.presets():
            _describe(f"{name}", configuration.PRESETS / f"{name}.toml")
        for name in shipped_sweeps():
            _describe(f"tune {name}", SHIPPED / f"{name}.toml")


@app.command()
def data(
    source: Annotated[
        str, typer.Argument(help="A preset, a FILE.toml, or a zip, Parquet, folder.")
    ],
    overrides: Set = None,
) -> None:
    """Print what a data source holds, how it is split, and what would fail or mislead a run."""
    from orchestrator.cli import data_command

    if not data_command.execute(source, overrides or []):
        raise SystemExit(EXIT_FAILED)


# The other commands, each with its options in a file of its own.
app.add_typer(adapt_command.app)
app.add_typer(generate_command.app)
app.add_typer(adapt_policy_command.app)
app.add_typer(export_command.app)
app.add_typer(doctor_options.app)
app.add_typer(jobs_options.app)
app.add_typer(report_options.app)


def main() -> None:
    """The entry point. A refusal is one line on standard error; a signal ends with 75."""
    _stop.cache_clear()
    runtime.own_process()
    try:
        _stop()
        typed_command.check_letters(sys.argv[1:])
        code = app(standalone_mode=False)
        flush_all()
    except Interrupted:
        _stop().ignore_to_the_end()
        _exit("stopped", EXIT_STOPPED)
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
        _exit("there is no home folder for ~ here; give whole paths, or set HOME", EXIT_WRONG_INPUT)
    except OSError as error:
        _exit(_of_the_system(error), EXIT_FAILED)
    if code == _INTERRUPTED:
        _exit("interrupted", EXIT_STOPPED)
    if code:
        raise SystemExit(code)


@functools.cache
def _stop() -> GracefulStop:
    """Who receives the signals, from the first time that this is asked."""
    return GracefulStop()


def _of_the_system(error: OSError) -> str:
    """What, why, and where it is known what to do."""
    why = error.strerror or str(error)
    what = f"{why}: {error.filename or ''}".rstrip(": ")
    return f"{what}; {remedy(error)}" if has_remedy(error) else what


def _load(
    preset: str, overrides: list[str] | None, workers: str | None
) -> tuple[configuration.MetaConfig, list[str]]:
    given = [*(overrides or []), *([f"workers.count={workers}"] if workers is not None else [])]
    return configuration.load(preset, given)


def _describe(title: str, file: Path) -> None:
    """A file's name, and the comment at its top."""
    lines = file.read_text(encoding="utf-8").splitlines()
    comment = [line[1:].strip() for line in lines if line.startswith("#")]
    print(f"{title}\n    {' '.join(comment)}\n")


def _exit(message: Any, code: int) -> None:
    say_last(f"metatrain: {redact(' '.join(str(message).split()))}")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
