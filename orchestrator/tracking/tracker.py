"""The contract of a tracking service, and what it must know of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """What a tracking service must know of a run.

    experiment: name of the group of runs: the run's name in its configuration.
    name: name of this run: its folder's.
    config: dotted name -> value of its configuration.
    id: what the service called the run when it was opened before; "" for a new one.
    folder: local folder of the run; "" if it is elsewhere.
    """

    experiment: str
    name: str
    config: Mapping[str, Any]
    id: str = ""
    folder: str = ""


class Opened(Protocol):
    """A run that is open on a tracking service. Any method may raise any error of the service.

    id: what the service calls the run.
    """

    id: str

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of an outer step."""

    def close(self, ended: str) -> None:
        """End the run. ended: "finished", "stopped" or "failed"."""
