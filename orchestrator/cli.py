"""The command line. Exit codes: 0 done, 1 the run failed, 2 the input was wrong, 75 stopped.

TensorFlow and Ray are imported inside the commands that need them, after the input is known to be
right, so that help and refusals answer at once.
"""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator import cli_adapt, cli_doctor, cli_jobs, cli_report
from orchestrator import config as configuration
from orchestrator.plain_text import encodable, printable
from orchestrator.redact import redact
from orchestrator.signals import GracefulStop, Interrupted
from workers.errors import MetatrainError, TaskError

EXIT_FAILED, EXIT_WRONG_INPUT, EXIT_STOPPED = 1, 2, 75
_INTERRUPTED = 130  # what typer makes of a Ctrl-C where nobody else takes it

app = typer.Typer(
    name="metatrain",
    help="Meta-training on Ray: the same weights, bit for bit, on a laptop and on a cluster.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Set = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE, e.g. outer.steps=2000; repeatable.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show TensorFlow's and Ray's messages.")]
Workers = Annotated[
    str | None,
    typer.Option(
        metavar="N", help="Ray actors; 0: in this process. Default: auto, whichever is faster."
    ),
]


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
    from orchestrator.commands import train_command

    config, notes = _load(preset, overrides, workers)
    location = train_command.location(config, out, resume)
    stop = GracefulStop()
    try:
        command = _typed()
        train_command.execute(
            config, notes, location, resume, allow_changes, verbose, stop, command
        )
    except Interrupted:
        stop.ignore_to_the_end()
        _say(f"stopped; go on with: {_resume_command(location)}")
        raise SystemExit(EXIT_STOPPED) from None


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
    tasks: Annotated[int | None, typer.Option(help="Test tasks.")] = None,
    overrides: Set = None,
    workers: Annotated[
        str, typer.Option(metavar="N", help="Ray actors, 0: in this process, or auto.")
    ] = "0",
    out: Annotated[Path | None, typer.Option(help="Write the scores to this JSON file.")] = None,
    verbose: Verbose = False,
) -> None:
    """Evaluate a run's best checkpoint on held-out tasks."""
    from orchestrator.commands import evaluate_command

    given = [*(overrides or []), *([f"evaluation.tasks={tasks}"] if tasks is not None else [])]
    stop = GracefulStop()
    try:
        evaluate_command.execute(run, given, workers, out, verbose)
    except Interrupted:
        stop.ignore_to_the_end()
        raise SystemExit(EXIT_STOPPED) from None


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
    from orchestrator.commands import tune_command

    location = tune_command.location(sweep, out, resume)
    stop = GracefulStop()
    try:
        tune_command.execute(sweep, overrides or [], location, resume, verbose)
    except Interrupted:
        stop.ignore_to_the_end()
        if tune_command.is_begun(location):
            _say(f"stopped; go on with: {_resume_command(location)}")
        else:
            _say("stopped before anything began")
        raise SystemExit(EXIT_STOPPED) from None


@app.command()
def checkpoints(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
) -> None:
    """List a run's checkpoints, and verify each."""
    from orchestrator.commands import checkpoints_command

    checkpoints_command.execute(run)


@app.command()
def presets() -> None:
    """List the presets and the sweeps, and what each of them is."""
    from orchestrator.sweep.settings import SHIPPED, shipped_sweeps

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
    """Print what a data source holds, and how its classes are split."""
    from orchestrator.commands import data_command

    data_command.execute(source, overrides or [])


app.add_typer(cli_adapt.app)
app.add_typer(cli_doctor.app)
app.add_typer(cli_jobs.app)
app.add_typer(cli_report.app)


def main() -> None:
    """The entry point: every refusal is one line on standard error."""
    try:
        _check_letters(sys.argv[1:])
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        if not str(error):  # no command at all: the help was printed
            raise SystemExit(EXIT_WRONG_INPUT) from None
        _exit(error.format_message(), EXIT_WRONG_INPUT)
    except ValueError as error:
        _exit(str(error), EXIT_WRONG_INPUT)
    except TaskError as error:
        first, _, trace = str(error).partition("\n")
        if trace:
            _say(trace)
        _exit(first, EXIT_FAILED)
    except MetatrainError as error:
        _exit(str(error), EXIT_FAILED)
    except RuntimeError as error:
        if "home directory" not in str(error):
            raise
        _exit("there is no home folder for ~ here; give whole paths, or set HOME", EXIT_WRONG_INPUT)
    except OSError as error:
        _exit(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), EXIT_FAILED)
    if code == _INTERRUPTED:
        _exit("interrupted", EXIT_STOPPED)
    if code:
        raise SystemExit(code)


def _check_letters(words: list[str]) -> None:
    """Refuse bytes that are no text: they could be a file's name, and nothing else."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(word).decode(errors="backslashreplace")
            raise ValueError(f"'{shown}' is not UTF-8; rename it, or type it in UTF-8") from None


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


def _resume_command(location: str) -> str:
    """The command that was typed, with --resume and its folder, without a URI's secrets."""
    words = [redact(word) for word in sys.argv[1:] if word != "--resume"]
    if not any(word.split("=")[0] == "--out" for word in words):
        words += ["--out", location]
    if os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR"):  # Ray's, in a job of a cluster
        return shlex.join(["metatrain", "submit", "--again", "--", *words])
    program = "metatrain" if shutil.which("metatrain") else sys.argv[0]
    return shlex.join([program, *words, "--resume"])


def _typed() -> str:
    """The command as it was typed, without secrets."""
    return shlex.join(["metatrain", *(redact(word) for word in sys.argv[1:])])


def _say(text: str) -> None:
    """On standard error, at once, without rich, which takes a moment to import."""
    shown = printable(text, keep="\n\t")
    print(encodable(shown, sys.stderr.encoding or "utf-8"), file=sys.stderr)


def _exit(message: Any, code: int) -> None:
    _say(f"metatrain: {redact(' '.join(str(message).split()))}")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
