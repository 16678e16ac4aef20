"""An S3-compatible store on the loopback address, with an empty bucket."""

import contextlib
import logging
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"


class Store:
    """Where it is, and what is in it."""

    def __init__(self, port: int):
        import boto3

        self.port = port
        self.options = f"scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1"
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket="bucket")

    def uri(self, name: str, user: str = f"{KEY}:{SECRET}@") -> str:
        return f"s3://{user}bucket/{name}?{self.options}"

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket="bucket", Prefix=prefix).get("Contents", [])
        keys = [entry["Key"] for entry in listed]
        return {
            key: self.client.get_object(Bucket="bucket", Key=key)["Body"].read() for key in keys
        }


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


@contextlib.contextmanager
def silent_service() -> Iterator[str]:
    """The address of something that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connections.append(server.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in connections:
            connection.close()


def without_aws(environment: dict[str, str], home: str) -> dict[str, str]:
    """An environment that holds no credentials, and no home folder that does."""
    kept = {name: value for name, value in environment.items() if not re.match("AWS_", name)}
    return kept | {"HOME": home}
