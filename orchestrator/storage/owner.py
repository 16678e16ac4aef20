"""Who holds a claim: a process on a machine, and whether it is sure to be gone."""

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owner:
    """A process.

    host: its machine's name. pid: there. since: when it made the claim, UTC, ISO 8601.
    machine: which boot of which machine, and which namespace of process ids. began: when the
    process started, in the clock ticks of that boot: ids are given again.
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
        """Whether this process could see it run."""
        return bool(self.machine) and self.machine == _machine()

    @property
    def is_gone(self) -> bool:
        """Whether it is sure to have ended; of another machine that is not known."""
        return self.is_here and _began(self.pid) != self.began

    def to_json(self) -> str:
        """In a line."""
        return json.dumps(asdict(self))


def this_process() -> Owner:
    """The owner of the claims that are made here and now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Owner(socket.gethostname(), os.getpid(), now, _machine(), _began(os.getpid()))


def parse_owner(text: str | bytes) -> Owner | None:
    """What `Owner.to_json` gave; None for anything else, such as half of it."""
    try:
        table = json.loads(text)
        kinds = {name: type(value) for name, value in table.items()}
        return Owner(**table) if kinds == Owner.__annotations__ else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _machine() -> str:
    """ "" where there is no /proc to tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _began(pid: int) -> int:
    """0 where no such process runs."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    state, *fields = status.rpartition(")")[2].split()
    return 0 if state in "ZX" else int(fields[18])
