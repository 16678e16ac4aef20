"""The port at which Ray Serve's replicas listen for each other.

A replica opens it on all interfaces and unpickles what comes, if it comes with Ray's token. The
replicas of a Ray that we started are on this machine: they listen on the loopback interface, as
everything else of this Ray does.
"""

from typing import Any

from ray.serve._private import replica as ray_replica

_OPEN_PORT = "add_port_to_grpc_server"


def listen_on_loopback() -> None:
    """Have the replica of this process open its port on the loopback interface. Idempotent."""
    open_port: Any = getattr(ray_replica, _OPEN_PORT)
    if getattr(open_port, "on_loopback", False):
        return

    def on_loopback(server: Any, address: str) -> Any:
        return open_port(server, f"127.0.0.1:{address.rpartition(':')[2]}")

    on_loopback.on_loopback = True  # type: ignore[attr-defined]
    setattr(ray_replica, _OPEN_PORT, on_loopback)
