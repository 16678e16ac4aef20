"""A run's numbers for Prometheus, by way of Ray: each node's agent serves them at its own port.

Ray puts "ray_" before the names, and adds node, job and process to the tag `run`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from orchestrator.launch import ray_is_running
from orchestrator.pool import Incidents

_SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
_INCIDENTS = {
    "replaced_actors": "actors that died, were too slow, or whose machine was drained",
    "retried_calls": "blocks run again since no answer came",
    "copied_calls": "blocks run a second time since the answer was late",
    "rejected_answers": "answers of a wrong shape, or not finite",
    "lost_sums": "sums lost with their machine, and made again",
}
assert set(_INCIDENTS) == {field.name for field in fields(Incidents)}


@dataclass(frozen=True, slots=True)
class Timings:
    """What took how long since the last step, in seconds.

    blocks: each call of an actor, from when it could begin to its answer. checkpoints: each that
    was written.
    """

    blocks: Sequence[float]
    checkpoints: Sequence[float]


class NoMetrics:
    """Where no Ray runs, nobody collects."""

    def append(self, row: dict[str, Any], actors: int, timings: Timings) -> None:
        """Do nothing."""


class RayMetrics(NoMetrics):
    """Counts and measures, step by step."""

    def __init__(self, run: str):
        """`run`: the name of its folder, by which the numbers of several are told apart."""
        from ray.util.metrics import Counter, Gauge, Histogram

        self._made: dict[str, Any] = {}
        self._counted = dict.fromkeys(_INCIDENTS, 0)

        def make(kind: Any, name: str, description: str, **more: Any) -> None:
            metric = kind(f"metatrain_{name}", description, tag_keys=("run",), **more)
            metric.set_default_tags({"run": run})
            self._made[name] = metric

        make(Counter, "outer_steps_total", "outer steps done")
        make(Counter, "tasks_total", "training tasks that were in a step")
        make(Counter, "skipped_tasks_total", "training tasks whose gradient was not finite")
        for name, description in _INCIDENTS.items():
            make(Counter, f"{name}_total", description)
        make(Gauge, "outer_step", "the last outer step done")
        make(Gauge, "tasks_per_second", "of the last outer step")
        make(Gauge, "actors", "actors that are ready")
        make(Gauge, "loss_before", "support loss before adapting, mean of the last step's tasks")
        make(Gauge, "loss_after", "query loss after adapting, mean of the last step's tasks")
        make(Gauge, "accuracy", "on queries after adapting, mean of the last step's tasks")
        for name, description in (
            ("outer_step_seconds", "an outer step"),
            ("block_seconds", "a call of an actor, from when it could begin to its answer"),
            ("checkpoint_seconds", "the writing of a checkpoint"),
        ):
            make(Histogram, name, description, boundaries=_SECONDS)

    def append(self, row: dict[str, Any], actors: int, timings: Timings) -> None:
        """Take in a row of metrics.jsonl."""
        made = self._made
        made["outer_steps_total"].inc()
        self._count("tasks_total", round(row["tasks_per_s"] * row["seconds"]))
        self._count("skipped_tasks_total", row["skipped_tasks"])
        for name, before in self._counted.items():
            self._count(f"{name}_total", row[name] - before)
            self._counted[name] = row[name]
        made["outer_step"].set(row["step"])
        made["tasks_per_second"].set(row["tasks_per_s"])
        made["actors"].set(actors)
        for name in ("loss_before", "loss_after", "accuracy"):
            if name in row:
                made[name].set(row[name])
        made["outer_step_seconds"].observe(row["seconds"])
        for seconds in timings.blocks:
            made["block_seconds"].observe(seconds)
        for seconds in timings.checkpoints:
            made["checkpoint_seconds"].observe(seconds)

    def _count(self, name: str, number: int) -> None:
        if number:  # Ray refuses to add nothing
            self._made[name].inc(number)


def metrics_of(run: str) -> NoMetrics:
    """What collects the numbers of a run here."""
    return RayMetrics(run) if ray_is_running() else NoMetrics()
