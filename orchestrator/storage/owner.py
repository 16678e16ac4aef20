"""The owner of a claim: a process on a machine, and whether it has surely ended."""

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that has made a claim.

    host: name of its machine.
    pid: its process id there.
    since: when it made the claim, UTC, ISO 8601.
    machine: boot id of the machine and namespace of process ids, "" if unknown.
    began: when the process started, in clock ticks since boot, because process ids are reused.
    """

    host: str
    pid: int
    since: str
    machine: str
    began: int

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, where this process can see it."""
        return bool(self.machine) and self.machine == _machine()

    @property
    def is_gone(self) -> bool:
        """Whether it has surely ended; of a process on another machine this is not known."""
        return self.is_here and _began(self.pid) != self.began

    def to_json(self) -> str:
        """Return the owner as a line of JSON."""
        return json.dumps(asdict(self))


def this_process() -> Owner:
    """Return the owner of claims that this process makes now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Owner(socket.gethostname(), os.getpid(), now, _machine(), _began(os.getpid()))


def parse_owner(text: str | bytes) -> Owner | None:
    """Parse the output of `Owner.to_json`; return None for anything else, such as half of it."""
    try:
        table = json.loads(text)
        types = {name: type(value) for name, value in table.items()}
        return Owner(**table) if types == Owner.__annotations__ else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _machine() -> str:
    """Return boot id and process namespace; "" where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _began(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; 0 if it does not run."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    state, *fields = status.rpartition(")")[2].split()
    return 0 if state in "ZX" else int(fields[18])
