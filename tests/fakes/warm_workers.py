"""Ray's worker processes, forked from a process that has TensorFlow imported.

An actor spends most of its start on that import. After `use`, Ray runs this file in place of its
own setup_worker.py (it finds that by a constant). It asks the process of `prepare` for a fork,
which runs what Ray wants. Where the worker's environment has another value of what decides how
modules are imported, Ray's own file runs, and the worker starts as it does elsewhere.
"""

import json
import os
import socket
import sys
import time

#: Variables that a module may read when it is imported, and so before the fork.
_READ_AT_IMPORT = ("PYTHON", "KERAS", "TF_", "XLA", "ONEDNN", "OPENBLAS", "LD_")
_SOCKET = "METATRAIN_TESTS_WARM_WORKERS"
_CONTEXT, _NO = "--serialized-runtime-env-context=", b"no"
_START_S = 120.0
_MODULES = ("workers.block", "workers.held_out", "keras", "tensorflow", "pyarrow")


def prepare() -> None:
    """Start what workers are forked from, which ends with this process; once for all."""
    import atexit
    import subprocess

    if _SOCKET in os.environ:
        return
    os.environ[_SOCKET] = os.path.join(os.environ["RAY_TMPDIR"], "warm")
    here = [sys.executable, os.path.abspath(__file__)]
    server = subprocess.Popen(
        [*here, "serve", os.environ[_SOCKET], *sys.path], stderr=subprocess.DEVNULL
    )
    atexit.register(server.kill)


def use() -> None:
    """Have the Rays that this process starts start their workers warm, if that is prepared."""
    if _SOCKET in os.environ:
        from ray._private import ray_constants

        vars(ray_constants)["SETUP_WORKER_FILENAME"] = os.path.abspath(__file__)


def serve(address: str, path: list[str]) -> None:
    """Import the libraries from `path`, then fork for each worker that asks."""
    import gc
    import importlib
    import socketserver

    before = sys.path[1:]
    sys.path[:] = path

    class Fork(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            sys.path[:] = before
            _become_worker(self.request)

    class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
        max_children = 1000
        request_queue_size = 64

    from workers.execution.runtime import own_process

    own_process()
    for name in _MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    with Server(address + ".starting", Fork) as server:
        os.rename(address + ".starting", address)
        server.serve_forever()


def _become_worker(client: socket.socket) -> None:
    """Run what the client was to run, with its output and environment, if a fork may."""
    import runpy

    text, outputs, _, _ = socket.recv_fds(client, 1 << 20, 2)
    asked = json.loads(text)
    if _imports(asked["environment"]) != _imports(dict(os.environ)):
        client.sendall(_NO)
        return
    for number, output in enumerate(outputs, start=1):
        os.dup2(output, number)
        os.close(output)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    os.environ.pop(_SOCKET, None)
    sys.argv = asked["words"]
    sys.path.insert(0, os.path.dirname(sys.argv[0]))
    code = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _imports(environment: dict[str, str]) -> dict[str, str]:
    """What of an environment decides how modules are imported."""
    return {k: v for k, v in environment.items() if k.startswith(_READ_AT_IMPORT)}


def _ask(words: list[str]) -> bool:
    """In the process that Ray starts: be there as long as the forked worker is; False for none."""
    context = next((word for word in words if word.startswith(_CONTEXT)), _CONTEXT)
    variables = json.loads(context.removeprefix(_CONTEXT) or "{}").get("env_vars", {})
    asked = {
        "words": [word for word in words if not word.startswith((_CONTEXT, "--language="))],
        "environment": {**os.environ, **variables},
        "folder": os.getcwd(),
    }
    with socket.socket(socket.AF_UNIX) as server:
        if not _connects(server, os.environ.get(_SOCKET, "")):
            return False
        socket.send_fds(server, [json.dumps(asked).encode()], [1, 2])
        return not server.recv(len(_NO))


def _connects(server: socket.socket, address: str) -> bool:
    """Wait until the libraries are imported."""
    until = time.monotonic() + _START_S
    while address and time.monotonic() < until:
        try:
            server.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.05)
        else:
            return True
    return False


def _start_as_elsewhere(words: list[str]) -> None:
    from ray._private.workers import setup_worker

    os.execv(sys.executable, [sys.executable, setup_worker.__file__, *words])


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3:])
    elif not _ask(sys.argv[1:]):
        _start_as_elsewhere(sys.argv[1:])
