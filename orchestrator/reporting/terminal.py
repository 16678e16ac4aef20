"""The display of a run in a terminal: a progress bar, or plain lines elsewhere."""

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from orchestrator.records.divergence import mean_and_interval
from orchestrator.records.result import Result
from orchestrator.reporting import coverage_lines, domain_table
from orchestrator.reporting.protocol_lines import print_protocol
from orchestrator.reporting.size_table import printed, table_of
from orchestrator.text.console import Console
from workers.metrics import called, is_share

if TYPE_CHECKING:
    from orchestrator.run.training_run import Progress as StepProgress

_REDRAW_S = 0.1
_LINE_S = 10.0
_WAIT_S = 5.0
# Shown are means over a hundredth of the steps, but over at most this many.
_SHARE = 100
_MOST = 50


class ProgressView:
    """A consumer of a run's steps that shows loss, accuracy, tasks/s and the time left.

    Numbers are means over the last few steps of a long run, with the number of steps.
    """

    def __init__(
        self,
        console: Console,
        first_step: int,
        num_steps: int,
        measured: Sequence[str] = (),
        has_inner_steps: bool = True,
    ):
        """Show nothing yet.

        Args:
          measured: the metrics of the run's tasks.
          has_inner_steps: whether validation chooses inner steps and their rate.
        """
        self._has_inner_steps = has_inner_steps
        self._console, self._num_steps = console, num_steps
        self._measured = [name for name in measured if name != "loss"]
        self._first_step = first_step
        self._last = deque[dict[str, float]](maxlen=min(max(num_steps // _SHARE, 1), _MOST))
        self._seconds = deque[float](maxlen=_MOST)
        self._shown = time.monotonic()
        self._skipped = self._reported = 0
        self._bar = Progress(
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[line]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("", total=num_steps, completed=first_step, line="")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._bar.refresh()
            self._bar.stop()

    @property
    def every_s(self) -> float:
        """Seconds between two calls of `say` that are shown."""
        return _REDRAW_S if self._console.is_terminal else _WAIT_S

    def say(self, text: str) -> None:
        """Show the work between two steps, in place of the last step's numbers or as a line."""
        if self._console.is_terminal:
            self._bar.update(self._task, line=text)
            self._bar.refresh()
        else:
            self._console.print(text)

    def update(self, progress: "StepProgress") -> None:
        """Take in a step; redraw at most ten times a second, or print a line every ten seconds."""
        report = progress.report
        if report.step == self._first_step + 2:
            self._seconds.clear()  # the first step compiles
        self._last.append(report.metrics)
        self._seconds.append(report.seconds)
        if report.skipped_tasks:
            self._report_skipped(report.step, report.skipped_tasks)
        if progress.validation:
            chosen = progress.validation
            recipe = f" (inner steps {chosen['inner_steps']}, inner lr {chosen['inner_lr']:g})"
            self._console.print(
                f"step {report.step}: validation {chosen['metric']} {chosen['score']:.4f}"
                f"{recipe if self._has_inner_steps else ''}",
            )
        now, last = time.monotonic(), report.step == self._num_steps
        if self._console.is_terminal:
            if last or now - self._shown > _REDRAW_S:
                self._shown = now
                line = self._line(report.tasks)
                self._bar.update(self._task, completed=report.step, line=line)
                self._bar.refresh()
        elif last or now - self._shown > _LINE_S:
            self._shown = now
            left = (self._num_steps - report.step) * _mean(self._seconds)
            self._console.print(
                f"step {report.step}/{self._num_steps}  {self._line(report.tasks)}  "
                f"{left:.0f} s left",
            )

    def _report_skipped(self, step: int, number: int) -> None:
        """Report skipped tasks the first time, and whenever their number has doubled."""
        self._skipped += number
        if self._skipped >= 2 * self._reported:
            self._reported = self._skipped
            self._console.print(
                f"step {step}: {self._skipped} tasks left out so far, whose gradient is not finite",
            )

    def _line(self, tasks: int) -> str:
        means, count = self._means(), len(self._last)
        own = "".join(
            f"  {name.replace('_', ' ')} {means[name]:.3f}"
            for name in self._measured
            if name in means
        )
        return (
            f"loss {means['loss_before']:.3f} → {means['loss_after']:.3f}{own}"
            f"{f' (mean of {count} steps)' if count > 1 else ''}  "
            f"{per_second(tasks, _mean(self._seconds))} tasks/s"
        )

    def _means(self) -> dict[str, float]:
        """Return the mean of each metric over the last steps that have it."""
        names = {name: None for step in self._last for name in step}
        return {name: _mean([s[name] for s in self._last if name in s]) for name in names}


def _mean(values: Sequence[float]) -> float:
    """Return the mean of numbers that may be inf."""
    return sum(values) / len(values)


def per_second(count: float, seconds: float) -> str:
    """Format a rate with a few digits, also below 1."""
    rate = count / seconds
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"


def print_result(
    console: Console, result: Result, inner_steps: tuple[int, ...], last_theta: str | None = None
) -> None:
    """Print warnings, scores, and directly below them their protocol.

    Args:
      last_theta: sha256 of the last step's weights, which the caller prints, and which is not
        repeated.
    """
    for warning in result.warnings:
        console.print(f"warning: {warning}", markup=False)
    console.print(_result_table(result, inner_steps))
    console.print(_gain_line(result))
    if result.queries_alone is not None:
        console.print(_alone_line(result, result.queries_alone))
    for line in coverage_lines.lines(result):
        console.print(line)
    if (by_domain := domain_table.printed(result)) is not None:
        console.print(by_domain)
    if by_size := table_of(result):
        console.print(printed(by_size))
    if result.tasks:
        from orchestrator.reporting.page.task_spread import worst_line  # imports matplotlib

        if worst := worst_line(result.tasks, result.metric, result.sign):
            console.print(worst)
    print_protocol(console, result.protocol)
    theta = "" if result.theta_sha256 == last_theta else f", theta sha256 {result.theta_sha256}"
    console.print(f"tested: {result.checkpoint}{theta}")


def _gain_line(result: Result) -> str:
    """Describe the gain of adaptation with the recipe that validation chose."""
    gain, interval = result.gain
    scale, digits, unit = (100, 2, " points") if is_share(result.metric) else (1, 4, "")
    after = result.unit.when(result.inner_steps)
    if not math.isfinite(gain):
        return f"{result.called} is not finite before or {after}"
    how = "worse" if gain < 0 else "better"
    by = mean_and_interval(abs(gain) * scale, interval * scale, digits)
    return f"{result.called} is {how} by {by}{unit} {after}, each task against itself"


def _alone_line(result: Result, scores: dict[str, Any]) -> str:
    """Describe the scores of predictions that do not depend on the other queries."""
    unit = " %" if is_share(result.metric) else ""
    return (
        f"{result.called} {_with_interval(result.metric, scores)}{unit} with each query "
        "normalized by the support set alone, as metatrain adapt does by default; the table "
        "normalizes the queries of a task together (transductive)"
    )


def _with_interval(metric: str, scores: Mapping[str, float]) -> str:
    scale, digits = (100, 2) if is_share(metric) else (1, 4)
    mean, interval = scores[metric] * scale, scores[f"{metric}_ci95"] * scale
    return mean_and_interval(mean, interval, digits)


def _result_table(result: Result, inner_steps: tuple[int, ...]) -> Table:
    """Make a table of test scores by inner step: mean and 95 % interval over tasks."""
    metrics, last, counted = result.measured, len(result.per_step) - 1, result.unit
    by_episode = f"Test tasks, by {counted.name} of a trial"
    table = Table(title=by_episode if counted.first else "Test tasks, before and after adaptation")
    table.add_column(counted.heading, justify="right")
    for name in metrics:
        unit = ", %" if is_share(name) else ""
        heading = result.called if name == result.metric else called(name)
        table.add_column(f"{heading}{unit}", justify="right")
    for step in counted.shown(inner_steps, last):
        cells = [_with_interval(name, result.per_step[step]) for name in metrics]
        what = "  (diverges)" if step in result.diverged else ""
        table.add_row(f"{counted.label(step).replace(' ', '  ')}{what}", *cells)
    if (best := result.protocol.get("oracle_return")) is not None:
        table.add_row("oracle", f"{best:.4f}")
    return table
