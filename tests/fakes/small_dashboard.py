"""A server of HTTP on this machine, which answers as a dashboard does or does not."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class SmallDashboard:
    """What it answers, and what it was asked.

    answers: the beginning of a path, or of "METHOD path" -> (status, body); None: never.
    asked: method, path and body of each request. tokens: what each was authorized with.
    """

    def __init__(self, **answers):
        version = '{"version": "4", "ray_version": "2.60.0"}'
        self.answers = {"/api/version": (200, version)} | answers
        self.asked, self.tokens = [], []
        self.over = threading.Event()

    def answer(self, request):
        line = f"{request.command} {request.path}"
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        self.asked.append((line, body))
        self.tokens.append(request.headers.get("authorization"))
        places = [key for key in self.answers if line.startswith(key) or f" {key}" in line]
        found = [
            self.answers[key] for key in sorted(places, key=lambda key: (key[0] != "/", len(key)))
        ]
        if found and found[-1] is None:
            self.over.wait()
            return
        status, answer = found[-1] if found else (404, "nothing here")
        request.send_response(status)
        request.send_header("content-length", str(len(answer.encode())))
        request.end_headers()
        request.wfile.write(answer.encode())


@contextlib.contextmanager
def serving(dashboard: SmallDashboard) -> Iterator[str]:
    """The address of a server that answers so."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words):
            """Nothing."""

        def _answer(self):
            dashboard.answer(self)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        dashboard.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
