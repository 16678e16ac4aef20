"""Where processes of ours listen, as Linux tells it."""

import os
from pathlib import Path

_LISTENS = "0A"
_LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def family(pid):
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    below = []
    for task in children.parents[1].iterdir():
        below += (task / "children").read_text().split()
    return [pid, *(each for child in below for each in family(int(child)))]


def beyond_loopback(pids):
    """Addresses, as the kernel writes them, at which others than this machine are answered."""
    sockets = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets.add(os.readlink(descriptor))
            except FileNotFoundError:
                continue
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    ours = [row for row in rows if row[3] == _LISTENS and f"socket:[{row[9]}]" in sockets]
    assert ours  # Ray listens somewhere
    return [row[1] for row in ours if row[1].partition(":")[0] not in _LOOPBACK]
