"""A service that listens at a port of this machine, without Ray."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import serve_extra  # noqa: F401  skips what needs it
import uvicorn

from orchestrator.serve.http.application import Application


@contextlib.contextmanager
def listening(application: Application) -> Iterator[str]:
    """Listen; its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(application.asgi, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
