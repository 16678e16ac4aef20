"""The command line in processes that start with all their modules imported.

Such a process is forked from one that has imported TensorFlow, Keras, Ray and matplotlib, which
takes most of a short command's time. It has its own arguments, folder, environment and output, and
ends with an exit code, as one that is started; all tests of a process share the one that it is
forked from. What decides how modules are imported (KERAS_BACKEND, PYTHONUTF8, ...) it does not
see: such a test starts the real command.
"""

import atexit
import contextlib
import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import warm_workers

_OUTPUTS = ("stdout", "stderr")
METATRAIN = str(Path(sys.executable).with_name("metatrain"))
_MODULES = [
    "orchestrator.cli.app",
    "keras",
    "tensorflow",
    "matplotlib.figure",
    "pyarrow.parquet",
    "ray",
]
_MODULES += [
    "orchestrator.run.train",
    "orchestrator.loop",
    "orchestrator.reporting.page.page",
]
_MODULES += [
    "orchestrator.run.launch",
    "orchestrator.run.training_run",
    "workers.block",
    "workers.meta_parameters",
]
_ENDED_BY_AN_ERROR = 1


class Running:
    """A command that was started: what subprocess.Popen would tell, and its output so far."""

    def __init__(self, argv: list[str], process: ForkServerProcess, files: Path):
        self.args, self._process, self._files = argv, process, files

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def stdout(self) -> str:
        """What was printed so far."""
        return self._told("stdout")

    @property
    def stderr(self) -> str:
        """What was said so far."""
        return self._told("stderr")

    def poll(self) -> int | None:
        """The exit code; a negative one is a signal's number, None says that it runs."""
        return self._process.exitcode

    def wait(self, timeout_s: float = 900.0) -> int:
        """The exit code at its end.

        Raises:
          TimeoutExpired: it went on, and was killed.
        """
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            self.kill()
            raise subprocess.TimeoutExpired(self.args, timeout_s, self.stdout, self.stderr)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it is known a moment later
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.send_signal(signal.SIGKILL)
        self._process.join()

    def done(self, timeout_s: float = 900.0) -> subprocess.CompletedProcess[str]:
        """Wait for the end: what `run` gives."""
        code = self.wait(timeout_s)
        return subprocess.CompletedProcess(self.args, code, self.stdout, self.stderr)

    def _told(self, name: str) -> str:
        file = self._files / name
        return file.read_text("utf-8", "replace") if file.is_file() else ""


def start(
    folder: Path,
    *words: object,
    environment: Mapping[str, str],
    script: Path | None = None,
    draws: bool = True,
) -> Running:
    """Start `metatrain WORDS...` in `folder`, or `python SCRIPT WORDS...`.

    Args:
      draws: whether a training draws its pictures and its page, which takes seconds.
    """
    argv = [str(script or METATRAIN), *map(str, words)]
    files = Path(tempfile.mkdtemp(dir=os.environ["RAY_TMPDIR"]))
    given = (str(folder), argv, dict(environment), str(files), draws)
    process = _context().Process(target=_run, args=given)
    process.start()
    return Running(argv, process, files)


def run(
    folder: Path, *words: object, timeout_s: float = 900.0, **options: Any
) -> subprocess.CompletedProcess[str]:
    """The same to its end; a negative exit code is a signal's number.

    Raises:
      TimeoutExpired: it went on, and was killed.
    """
    return start(folder, *words, **options).done(timeout_s)


def prepare() -> None:
    """Start what processes are forked from now, in an environment that no test has changed.

    What its modules have read there all its processes have.
    """
    _context()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # where TensorFlow's libraries greet
    try:
        forkserver.ensure_running()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_MODULES)
    return context


def _run(
    folder: str, argv: list[str], environment: dict[str, str], files: str, draws: bool
) -> None:
    """In the new process: all that a shell would have set, then the command."""
    gc.freeze()  # no collection looks at, and so copies, the memory that it shares
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests ignore it, as under nohup
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in enumerate(_OUTPUTS, start=1):  # where sys.stdout and sys.stderr write to
        os.dup2(os.open(f"{files}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.argv = argv
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    _have_ray_read_environment()
    warm_workers.use()
    code: Any = _ENDED_BY_AN_ERROR
    try:
        if not draws:
            _draw_nothing()
        _command(argv[0])
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _have_ray_read_environment() -> None:
    """Whether it wants a token, and which: it has looked when it was imported."""
    from ray._raylet import AuthenticationTokenLoader, Config

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _draw_nothing() -> None:
    from orchestrator.run import train

    vars(train)["_draw"] = lambda *given: None


def _command(which: str) -> None:
    if which.endswith(".py"):
        sys.path.insert(0, str(Path(which).parent))
        runpy.run_path(which, run_name="__main__")
        return
    from metatrain import main

    main()
