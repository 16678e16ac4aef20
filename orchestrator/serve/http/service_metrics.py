"""Counters of a replica, in Prometheus' text format."""

from collections import Counter
from collections.abc import Mapping

#: Upper bounds of the histogram of seconds.
_BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
TYPE = "text/plain; version=0.0.4"


class ServiceMetrics:
    """What a replica answered, and how long that took."""

    def __init__(self, replica: str):
        """`replica`: its name, the label of all series."""
        self._replica = replica
        self._answers: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, tuple[int, float]] = {}
        self._buckets: Counter[tuple[str, float]] = Counter()

    def add(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._answers[route, status] += 1
        number, total = self._seconds.get(route, (0, 0.0))
        self._seconds[route] = number + 1, total + seconds
        for bound in _BOUNDS:
            if seconds <= bound:
                self._buckets[route, bound] += 1

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """Return all series.

        Args:
          gauges: name -> description and value.
        """
        lines = [*self._title("answers_total", "counter", "answers by route and status")]
        for (route, status), number in sorted(self._answers.items()):
            lines.append(self._line("answers_total", number, route=route, status=str(status)))
        lines += self._title("seconds", "histogram", "from a request's headers to its answer")
        for route, (number, seconds) in sorted(self._seconds.items()):
            for bound in _BOUNDS:
                reached = self._buckets[route, bound]
                lines.append(self._line("seconds_bucket", reached, route=route, le=f"{bound:g}"))
            lines.append(self._line("seconds_bucket", number, route=route, le="+Inf"))
            lines.append(self._line("seconds_sum", seconds, route=route))
            lines.append(self._line("seconds_count", number, route=route))
        for name, (description, value) in gauges.items():
            lines += [*self._title(name, "gauge", description), self._line(name, value)]
        return "\n".join(lines) + "\n"

    def _title(self, name: str, kind: str, description: str) -> tuple[str, str]:
        full = f"metatrain_serve_{name}"
        return f"# HELP {full} {description}", f"# TYPE {full} {kind}"

    def _line(self, name: str, value: float, **labels: str) -> str:
        pairs = {**labels, "replica": self._replica}
        shown = ",".join(f'{key}="{label}"' for key, label in pairs.items())
        return f"metatrain_serve_{name}{{{shown}}} {value:g}"
