"""pytest in processes forked from one that has imported the libraries, but not metatrain.

A new interpreter takes seconds of the processor to import TensorFlow and Ray, which is most of the
time of a test that fails at once. Each process imports the tested code and pytest's plugins itself,
from the paths of PYTHONPATH in its environment.
"""

import atexit
import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Libraries that are imported once: no plugins, which pytest rewrites as they are imported.
LIBRARIES = ("tensorflow", "keras", "ray", "matplotlib.figure", "pyarrow.parquet", "pandas")
_POLL_S = 0.02
_LOCK = threading.Lock()


def run(
    words: Sequence[str],
    folder: Path,
    environment: dict[str, str],
    limit_s: float | None,
    libraries: tuple[str, ...],
) -> tuple[int | None, str]:
    """Run `pytest WORDS`; return its exit code, None if it was ended at the limit, and its output.

    Args:
      folder: the working directory.
      environment: all environment variables.
      limit_s: seconds after which pytest and its children are ended; None: never.
      libraries: modules that the forking process imports.
    """
    with tempfile.TemporaryDirectory(prefix="forked-") as name:
        results = Path(name)
        request = {"words": [*words], "folder": str(folder), "environment": environment}
        with _LOCK:
            server = _server(libraries)
            assert server.stdin is not None
            print(json.dumps({**request, "results": name}), file=server.stdin, flush=True)
        until = time.monotonic() + (limit_s or float("inf"))
        try:
            while not (results / "code").exists() and time.monotonic() < until:
                assert server.poll() is None, "the forking process has ended"
                time.sleep(_POLL_S)
        except BaseException:
            _kill(results)
            raise
        if not (results / "code").exists():
            _kill(results)
            return None, ""
        return int((results / "code").read_text()), (results / "out").read_text(errors="replace")


def _kill(results: Path) -> None:
    """End the process and its children, and wait until it is gone."""
    while not (results / "pid").exists():
        time.sleep(_POLL_S)
    os.killpg(int((results / "pid").read_text()), signal.SIGKILL)
    while not (results / "code").exists():
        time.sleep(_POLL_S)


@functools.cache
def _server(libraries: tuple[str, ...]) -> subprocess.Popen[str]:
    with tempfile.TemporaryDirectory() as home:  # ignores the developer's keras.json
        keras = {"KERAS_HOME": home, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        server = subprocess.Popen(
            [sys.executable, "-P", __file__, *libraries],
            env=inherited | keras,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen[str]) -> None:
    server.communicate()  # it ends with its standard input


def _serve() -> None:
    """Fork for each line of standard input."""
    for name in sys.argv[1:]:
        importlib.import_module(name)
    importlib.import_module("pytest")
    print("ready", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the watching children are not waited for
    for line in sys.stdin:
        if not os.fork():
            _watch(json.loads(line))


def _watch(request: dict[str, Any]) -> None:
    """Fork pytest, and write its exit code when it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    results = Path(request["results"])
    ready, go = os.pipe()
    child = os.fork()
    if not child:
        os.read(ready, 1)  # until its pid is written
        _become(request)
    os.setpgid(child, child)
    _write(results / "pid", child)
    os.write(go, b"x")
    _, status = os.waitpid(child, 0)
    _write(results / "code", os.waitstatus_to_exitcode(status))
    os._exit(0)


def _write(file: Path, number: int) -> None:
    """Write a number atomically."""
    file.with_suffix(".part").write_text(str(number))
    file.with_suffix(".part").rename(file)


def _become(request: dict[str, Any]) -> None:
    """Set up the process as a shell would, and run pytest."""
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        out = os.open(f"{request['results']}/out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        paths = request["environment"].get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:0] = [request["folder"], *filter(None, paths)]
        sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in os.environ
        sys.argv = ["pytest", *request["words"]]
        code = int(importlib.import_module("pytest").main(request["words"]))
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
