"""pytest in processes forked from one that has imported the libraries, and nothing of ours.

A new interpreter takes seconds of the processor to import TensorFlow and Ray, which is most of what
a test that fails at once takes. What is under test, and pytest's plugins, each process imports
itself: from the paths of PYTHONPATH in the environment that it is given.
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

#: What is imported once: no plugins of pytest's, which rewrites those as they are imported.
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
    """Exit code and output of `pytest WORDS`; None where it had to be ended, with what it began."""
    with tempfile.TemporaryDirectory(prefix="forked-") as name:
        place = Path(name)
        asked = {"words": [*words], "folder": str(folder), "environment": environment}
        with _LOCK:
            server = _server(libraries)
            assert server.stdin is not None
            print(json.dumps({**asked, "place": name}), file=server.stdin, flush=True)
        until = time.monotonic() + (limit_s or float("inf"))
        try:
            while not (place / "code").exists() and time.monotonic() < until:
                assert server.poll() is None, "the process that forks has ended"
                time.sleep(_POLL_S)
        except BaseException:
            _kill(place)
            raise
        if not (place / "code").exists():
            _kill(place)
            return None, ""
        return int((place / "code").read_text()), (place / "out").read_text(errors="replace")


def _kill(place: Path) -> None:
    """End the process and its children, and wait until it is gone."""
    while not (place / "pid").exists():
        time.sleep(_POLL_S)
    os.killpg(int((place / "pid").read_text()), signal.SIGKILL)
    while not (place / "code").exists():
        time.sleep(_POLL_S)


@functools.cache
def _server(libraries: tuple[str, ...]) -> subprocess.Popen[str]:
    with tempfile.TemporaryDirectory() as home:  # whatever the developer's keras.json says
        ours = {"KERAS_HOME": home, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        server = subprocess.Popen(
            [sys.executable, "-P", __file__, *libraries],
            env=kept | ours,
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
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that keep watch
    for line in sys.stdin:
        if not os.fork():
            _watch(json.loads(line))


def _watch(asked: dict[str, Any]) -> None:
    """Fork pytest, and write its exit code when it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    place = Path(asked["place"])
    ready, go = os.pipe()
    child = os.fork()
    if not child:
        os.read(ready, 1)  # its number is known
        _become(asked)
    os.setpgid(child, child)
    _write(place / "pid", child)
    os.write(go, b"x")
    _, status = os.waitpid(child, 0)
    _write(place / "code", os.waitstatus_to_exitcode(status))
    os._exit(0)


def _write(file: Path, number: int) -> None:
    """Whole, or not at all."""
    file.with_suffix(".part").write_text(str(number))
    file.with_suffix(".part").rename(file)


def _become(asked: dict[str, Any]) -> None:
    """All that a shell would have set, then pytest."""
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        out = os.open(f"{asked['place']}/out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["folder"])
        paths = asked["environment"].get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:0] = [asked["folder"], *filter(None, paths)]
        sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in os.environ
        sys.argv = ["pytest", *asked["words"]]
        code = int(importlib.import_module("pytest").main(asked["words"]))
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
