"""The end of a run: scores on the test tasks, and their protocol."""

from dataclasses import dataclass
from typing import Any

from orchestrator.evaluate import Score


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a run, as evaluation.json has it."""

    protocol: dict[str, Any]
    per_step: list[Score]
    theta_sha256: str
    tested: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        chosen = self.protocol["inner_steps"]
        return {
            "protocol": self.protocol,
            "before": self.per_step[0],
            "after": self.per_step[chosen],
            "per_step": self.per_step,
            "checkpoint": self.tested,
            "theta_sha256": self.theta_sha256,
        }

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> "Result":
        """Inverse of `as_dict`."""
        return cls(table["protocol"], table["per_step"], table["theta_sha256"], table["checkpoint"])
