"""Metrics of a run for Prometheus, served by Ray's agent on the driver's node.

Ray prefixes the names with "ray_", and adds node, job and process to the tag `run`.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from orchestrator.loop import StepReport
from orchestrator.pool.base import Incidents, Pool
from orchestrator.pool.ray_running import ray_is_running
from orchestrator.text.plain_text import label

_SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
_INCIDENTS = {
    "replaced_actors": "actors that died, were too slow, or whose machine was drained",
    "retried_calls": "blocks run again since no answer came",
    "copied_calls": "blocks run a second time since the answer was late",
    "rejected_answers": "answers of a wrong shape, or not finite",
    "lost_sums": "sums lost with their machine, and made again",
}
assert set(_INCIDENTS) == {field.name for field in fields(Incidents)}


class NoMetrics:
    """The null object where no Ray runs that could collect metrics."""

    def append(self, report: StepReport, pool: Pool, checkpoints_s: Sequence[float]) -> None:
        """Do nothing."""


class RayMetrics(NoMetrics):
    """The counters and gauges of a run, updated after each step."""

    def __init__(self, run: str, measured: Sequence[str]):
        """Create the metrics.

        Args:
          run: name of the run's folder. Its `label` becomes the tag `run`, because Ray takes only
            ASCII characters.
          measured: the metrics of its tasks.
        """
        from ray.util.metrics import Counter, Gauge, Histogram

        self._made: dict[str, Any] = {}
        self._measured = [name for name in measured if name != "loss"]
        self._counted = dict.fromkeys(_INCIDENTS, 0)

        def make(kind: Any, name: str, description: str, **more: Any) -> None:
            metric = kind(f"metatrain_{name}", description, tag_keys=("run",), **more)
            metric.set_default_tags({"run": label(run)})
            self._made[name] = metric

        make(Counter, "outer_steps_total", "outer steps done")
        make(Counter, "tasks_total", "training tasks of the steps done")
        make(Counter, "skipped_tasks_total", "training tasks whose gradient was not finite")
        for name, description in _INCIDENTS.items():
            make(Counter, f"{name}_total", description)
        make(Gauge, "outer_step", "the last outer step done")
        make(Gauge, "tasks_per_second", "of the last outer step")
        make(Gauge, "actors", "actors that are ready")
        make(Gauge, "loss_before", "support loss before adapting, mean of the last step's tasks")
        make(Gauge, "loss_after", "query loss after adapting, mean of the last step's tasks")
        for name in self._measured:
            make(Gauge, name, "on queries after adapting, mean of the last step's tasks")
        for name, description in (
            ("outer_step_seconds", "an outer step"),
            ("block_seconds", "a call of an actor, from when it could begin to its answer"),
            ("checkpoint_seconds", "the writing of a checkpoint"),
        ):
            make(Histogram, name, description, boundaries=_SECONDS)

    def append(self, report: StepReport, pool: Pool, checkpoints_s: Sequence[float]) -> None:
        """Update the metrics right after a step.

        Args:
          report: the step. pool: the pool that ran it.
          checkpoints_s: seconds of each checkpoint written since the step before.
        """
        made = self._made
        made["outer_steps_total"].inc()
        self._count("tasks_total", report.tasks)
        self._count("skipped_tasks_total", report.skipped_tasks)
        for name, counted in asdict(pool.incidents).items():
            self._count(f"{name}_total", counted - self._counted[name])
            self._counted[name] = counted
        made["outer_step"].set(report.step)
        made["tasks_per_second"].set(report.tasks / report.seconds)
        made["actors"].set(pool.num_ready)
        for name in ("loss_before", "loss_after", *self._measured):
            if name in report.metrics:
                made[name].set(report.metrics[name])
        made["outer_step_seconds"].observe(report.seconds)
        for seconds in pool.latencies_s:
            made["block_seconds"].observe(seconds)
        for seconds in checkpoints_s:
            made["checkpoint_seconds"].observe(seconds)

    def _count(self, name: str, number: int) -> None:
        if number:  # Ray refuses to add 0
            self._made[name].inc(number)


def metrics_of(run: str, measured: Sequence[str]) -> NoMetrics:
    """Return the metrics of a run, or the null object if no Ray runs in this process."""
    return RayMetrics(run, measured) if ray_is_running() else NoMetrics()
