"""The command line in processes that start with all their modules imported.

Such a process is forked from one that has imported TensorFlow, Keras and matplotlib, which takes
most of a short command's time. It has its own arguments, folder, environment and output, and
ends with an exit code, as one that is started. What decides how modules are imported
(KERAS_BACKEND, PYTHONUTF8, ...) it does not see: such a test starts the real command.
"""

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

_OUTPUTS = ("stdout", "stderr")
METATRAIN = str(Path(sys.executable).with_name("metatrain"))
_MODULES = ["orchestrator.cli", "keras", "tensorflow", "matplotlib.figure", "pyarrow.parquet"]
_MODULES += ["orchestrator.commands.train_command", "orchestrator.loop", "orchestrator.page.page"]
_MODULES += ["orchestrator.launch", "orchestrator.run", "workers.block", "workers.meta"]


def run(
    folder: Path, *words: object, environment: Mapping[str, str], timeout_s: float = 900.0
) -> subprocess.CompletedProcess[str]:
    """Run `metatrain WORDS...` in `folder` to its end; a negative code is a signal's number.

    Raises:
      TimeoutExpired: it went on, and was killed.
    """
    argv = [METATRAIN, *map(str, words)]
    files = Path(tempfile.mkdtemp(dir=os.environ["RAY_TMPDIR"]))
    given = (str(folder), argv, dict(environment), str(files))
    process = _context().Process(target=_run, args=given)
    process.start()
    process.join(timeout_s)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise subprocess.TimeoutExpired(argv, timeout_s)
    told = [(files / name).read_text("utf-8", "replace") for name in _OUTPUTS]
    return subprocess.CompletedProcess(argv, process.exitcode, *told)


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_MODULES)
    return context


def _run(folder: str, argv: list[str], environment: dict[str, str], files: str) -> None:
    """In the new process: all that a shell would have set, then the command."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in enumerate(_OUTPUTS, start=1):  # where sys.stdout and sys.stderr write to
        os.dup2(os.open(f"{files}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
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
