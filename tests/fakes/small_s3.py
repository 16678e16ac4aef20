"""An S3-compatible store on the loopback address that checks signatures, and its bad relations."""

import contextlib
import json
import logging
import re
import socket
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import quote

_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


class Store:
    """An empty bucket, and the key of the one user who may use it."""

    def __init__(self, port: int):
        self._port = port
        self.options = s3_options(port)
        self._post("reset-auth", b"inf")  # an earlier store's in this process
        self._post("reset", b"")
        iam = self._client("iam", "any", "any")
        iam.create_user(UserName="user")
        key = iam.create_access_key(UserName="user")["AccessKey"]
        iam.put_user_policy(UserName="user", PolicyName="all", PolicyDocument=json.dumps(_ALL))
        self.key, self.secret = key["AccessKeyId"], key["SecretAccessKey"]
        self._s3 = self._client("s3", self.key, self.secret)
        self._s3.create_bucket(Bucket="bucket")
        # From here on nothing is done without a valid signature.
        self._post("reset-auth", b"0")

    def _post(self, what: str, body: bytes) -> None:
        url, plain = (
            f"http://127.0.0.1:{self._port}/moto-api/{what}",
            {"Content-Type": "text/plain"},
        )
        urllib.request.urlopen(urllib.request.Request(url, body, plain, method="POST")).close()

    def _client(self, service: str, key: str, secret: str) -> Any:
        import boto3

        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self._port}",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
        )

    @property
    def user(self) -> str:
        """What stands before the @ in a URI."""
        return f"{self.key}:{quote(self.secret, safe='')}"

    @property
    def keys(self) -> dict[str, str]:
        """The environment of somebody who may."""
        return {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret}

    def shown_in(self, text: str) -> bool:
        """Whether the key or its secret stands there."""
        return any(each in text for each in (self.secret, quote(self.secret, safe=""), self.key))

    def uri(self, name: str) -> str:
        return f"s3://bucket/{name}?{self.options}"

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        listed = self._s3.list_objects_v2(Bucket="bucket", Prefix=prefix).get("Contents", [])
        keys = [entry["Key"] for entry in listed]
        return {key: self._s3.get_object(Bucket="bucket", Key=key)["Body"].read() for key in keys}


def s3_options(port: int) -> str:
    return f"scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1"


@contextlib.contextmanager
def store() -> Iterator[Store]:
    """Start it, and stop it at the end."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield Store(server.get_host_and_port()[1])
    finally:
        server.stop()


class _Refusal(BaseHTTPRequestHandler):
    def _refuse(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET = do_PUT = do_POST = do_DELETE = _refuse  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@contextlib.contextmanager
def private_store() -> Iterator[str]:
    """The options of a URI on a store that lets nobody in, as S3 does without credentials."""
    with HTTPServer(("127.0.0.1", 0), _Refusal) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield s3_options(server.server_port)
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def silent_service() -> Iterator[tuple[str, list[socket.socket]]]:
    """The address of something that takes connections, and never answers; the connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connections.append(server.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", connections
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in connections:
            connection.close()


def without_aws(environment: dict[str, str], home: str) -> dict[str, str]:
    """An environment that holds no credentials, and no home folder that does."""
    kept = {name: value for name, value in environment.items() if not re.match("AWS_", name)}
    return kept | {"HOME": home}
