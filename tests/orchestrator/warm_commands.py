"""The command line in processes that start with all their modules imported.

Such a process is forked from one that has imported TensorFlow, Keras and matplotlib, which takes
most of a short command's time. It has its own arguments, folder, environment and output, takes
signals, and ends with an exit code, as one that is started. What decides how modules are imported
(KERAS_BACKEND, PYTHONUTF8, ...) it does not see: such a test starts the real command.
"""

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

METATRAIN = str(Path(sys.executable).with_name("metatrain"))
_MODULES = ["orchestrator.cli", "keras", "tensorflow", "matplotlib.figure", "pyarrow.parquet"]
_MODULES += ["orchestrator.commands.train_command", "orchestrator.loop", "orchestrator.page.page"]
_MODULES += ["orchestrator.launch", "orchestrator.run", "workers.block", "workers.meta"]


class Command:
    """`metatrain WORDS...` in `folder`; output and errors go to files.

    pid: of its process. argv: as it sees it.
    """

    def __init__(self, folder: Path, words: Sequence[object], environment: Mapping[str, str]):
        self.argv = [METATRAIN, *map(str, words)]
        self._files = Path(tempfile.mkdtemp(dir=os.environ["RAY_TMPDIR"]))
        given = (str(folder), self.argv, dict(environment), str(self._files))
        self._process = _context().Process(target=_run, args=given)
        self._process.start()
        self.pid: int = self._process.pid  # type: ignore[assignment]

    def poll(self) -> int | None:
        """The exit code, or minus the signal's number; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """As a terminal or a scheduler does."""
        os.kill(self.pid, number)

    def output(self, name: str = "stdout") -> str:
        """What it has printed so far."""
        file = self._files / name
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def wait(self, timeout_s: float = 900.0) -> subprocess.CompletedProcess[str]:
        """Wait for its end.

        Raises:
          TimeoutExpired: it goes on; it is killed.
        """
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
            raise subprocess.TimeoutExpired(self.argv, timeout_s)
        code = self._process.exitcode
        return subprocess.CompletedProcess(self.argv, code, self.output(), self.output("stderr"))


def run(
    folder: Path, *words: object, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `metatrain WORDS...` to its end."""
    return Command(folder, words, environment).wait()


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_MODULES)
    return context


def _run(folder: str, argv: list[str], environment: dict[str, str], files: str) -> None:
    """In the new process: all that a shell would have set, then the command."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        file = os.open(f"{files}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8") for number in (1, 2))  # noqa: SIM115
    sys.argv = argv
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    code: Any = 0
    try:
        from orchestrator.cli import main

        main()
    except SystemExit as end:
        code = end.code
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
