"""Running one damaged input of fuzz.py in a separate process, and judging the outcome."""

import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import fuzz_inputs

import metatrain
import orchestrator.adaptation.artefact
import orchestrator.adaptation.readers.registry
import orchestrator.cli.adapt.adapt_outputs
import orchestrator.cli.adapt.adapt_report
import orchestrator.cli.adapt.handing_over
import orchestrator.cli.adapt.sources
import orchestrator.cli.app
import orchestrator.cli.checkpoints_command
import orchestrator.cli.data_command
import orchestrator.cli.report_command  # noqa: F401  (imported once, before the forks)

_LIMIT_S, _LIMIT_BYTES = 30.0, 2_000_000_000
_CODES = {0, 1, 2}
NO_EXIT_CODE = 70
#: Seconds after which the process of an input is killed.
PATIENCE_S = _LIMIT_S + 1


@dataclass(frozen=True)
class Outcome:
    """The outcome of an input.

    bytes: peak memory.
    problem: "" if nothing is wrong.
    last_line: last line of standard error.
    """

    kind: str
    number: int
    code: int
    seconds: float
    bytes: int
    problem: str
    last_line: str


def run(material: Path, kind: str, seed: int, number: int, show: bool = False) -> Outcome:
    """Change a copy of the material, run the command on it, and judge the outcome."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as name:
        folder = Path(name, "copy")
        shutil.copytree(material, folder)
        words = fuzz_inputs.damage(folder, kind, seed, number, Path(name, "cache"))
        before, began = contents(folder), time.monotonic()
        answer = call(words, Path(name))
        seconds = time.monotonic() - began
        outcome = judge(kind, number, answer, seconds, before, contents(folder))
    if show:
        print(f"{words}\n{answer[2]}{answer[3]}")
    return outcome


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder, by path."""
    by_path = {}
    for where, _, names in os.walk(folder):  # three times as fast as rglob
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    by_path[path] = file.read()
    return by_path


def judge(
    kind: str, number: int, answer: tuple[int, int, str, str], seconds: float,
    before: dict[str, bytes], after: dict[str, bytes],
) -> Outcome:  # fmt: skip
    """Judge the answer of `call`, and the files before and after it."""
    code, used, _, err = answer
    lost = [
        path
        for path, content in before.items()
        if after.get(path) != content and not _may_change(path, kind)
    ]
    lines = err.strip().splitlines()
    last = lines[-1] if lines else ""
    problem = _problem(code, seconds, used, err, last, lost)
    return Outcome(kind, number, code, seconds, used, problem, last[:300])


def _may_change(path: str, kind: str) -> bool:
    return kind == "records" and os.path.basename(path) == "report.html"  # the command writes it


def _problem(code: int, seconds: float, used: int, err: str, last: str, lost: list[str]) -> str:
    if seconds > _LIMIT_S:
        return f"no answer in {_LIMIT_S:.0f} s"
    if "Traceback (most recent call last)" in err:
        return "a traceback"
    if code not in _CODES:
        return f"exit code {code}"
    if code and not last.startswith(("metatrain: ", "this run cannot work: ")):
        return "an error without a line of metatrain's"
    if used > _LIMIT_BYTES:
        return f"{used / 1e9:.1f} GB of memory"
    return f"changed {os.path.basename(lost[0])}" if lost else ""


def call(words: list[str], folder: Path) -> tuple[int, int, str, str]:
    """Run `metatrain WORDS`; return its exit code, peak memory in bytes, and both outputs."""
    out, err = folder / "out", folder / "err"
    child = os.fork()  # a new interpreter would take ten times as long as the answer
    if not child:
        _become(words, folder, out, err)
    status, used = _wait(child)
    texts = [path.read_text(errors="replace") for path in (out, err)]
    return os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024, texts[0], texts[1]


def in_child(commands: list[list[str]], folder: Path) -> None:
    """Run `metatrain WORDS` in `folder`, for each command, in one new process.

    Raises:
      RuntimeError: a command has failed.
    """
    child = os.fork()
    if not child:
        code = NO_EXIT_CODE
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            code = max(command(words, folder) for words in commands)
        finally:
            os._exit(code)
    if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise RuntimeError(f"{commands} ended with {code}")


def _become(words: list[str], folder: Path, out: Path, err: Path) -> None:
    """Run the command to its end, with file descriptors replaced, as libraries write to them."""
    code = NO_EXIT_CODE
    try:
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
        code = command(words, folder)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def command(words: list[str], folder: Path) -> int:
    """Run `metatrain WORDS` in `folder`, in this process; return its exit code."""
    code = NO_EXIT_CODE
    try:
        os.chdir(folder)
        sys.argv = ["metatrain", *words]
        metatrain.main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    return code


def _wait(child: int) -> tuple[int, resource.struct_rusage]:
    """Wait for the child; kill it if it takes too long."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        pid, status, used = os.wait4(child, os.WNOHANG)
        if pid:
            return status, used
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    return status, used
