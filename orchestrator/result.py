"""The end of a run: scores on the test tasks, and their protocol."""

from dataclasses import dataclass
from typing import Any

from orchestrator.evaluate import Score


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a run, as evaluation.json has it. metric, sign: see `headline_metric`."""

    protocol: dict[str, Any]
    per_step: list[Score]
    theta_sha256: str
    tested: str
    metric: str
    sign: int

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
            "metric": self.metric,
            "sign": self.sign,
        }
