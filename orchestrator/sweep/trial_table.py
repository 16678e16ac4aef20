"""The trial table of a running sweep: live in a terminal, a line per event elsewhere."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from orchestrator.records.metrics_log import read_whole_rows
from orchestrator.storage.storage import Storage
from orchestrator.storage.targets import writing
from orchestrator.sweep import rows as sweep_rows
from orchestrator.sweep.rows import Row, Status
from orchestrator.sweep.space import Point
from orchestrator.sweep.trial_checkpoint import beside
from orchestrator.text.console import Console

_SHOWN = 20
# So long may a validation wait to be written to sweep.parquet.
_WRITE_S = 10.0
# The file is written whole: if that takes longer than _CHEAP_S, at most one part in _SHARE of the
# time is spent on it.
_SHARE, _CHEAP_S = 50, 0.03
_STYLES = {"running": "bold", "failed": "red", "stopped": "dim"}


class TrialTable:
    """The table of trials: it takes their events, shows them, and keeps sweep.parquet current.

    metric: the metric that decides. mode: "min" or "max".
    """

    def __init__(
        self,
        storage: Storage,
        keys: Sequence[str],
        metrics: Sequence[str],
        metric: str,
        mode: str,
        num_trials: int,
        console: Console,
    ):
        """Start with the trials in sweep.parquet, those of the sweep that is resumed.

        Args:
          keys: keys of the space.
          metrics: metrics of validation. metric: the one that decides. mode: "min" or "max".
          num_trials: number of trials in all.
          console: where the table is shown.
        """
        self._storage, self._keys, self._console = storage, keys, console
        self._metrics, self.metric, self.mode = metrics, metric, mode
        self._num_trials = num_trials
        self._began = self._written = time.monotonic()
        self._cost_s = 0.0
        self._ended: float | None = None
        self._rows = {row.trial: row for row in sweep_rows.read(storage, metric)}
        self._numbers = {trial: number for number, trial in enumerate(self._rows, start=1)}
        self._starting: set[str] = set()  # started or resumed, and not validated since
        self._is_new = True
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
            self._show()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._show()
            self._live.stop()

    @property
    def rows(self) -> list[Row]:
        """A row for each trial that was started, in order."""
        return list(self._rows.values())

    def start(self, trial: str, point: Point) -> None:
        """Note that a trial starts or continues."""
        row = self._rows.setdefault(trial, Row(trial, point))
        self._numbers.setdefault(trial, len(self._rows))
        event = "continues" if row.step else "starts"
        self._starting.add(trial)
        self._put(replace(row, point=point, status="running"), f"{self.name(trial)} {event}")
        self._write_soon()

    def report(self, trial: str, report: dict[str, Any]) -> None:
        """Take a report of a trial that was validated, or failed."""
        before = self._rows[trial]
        if trial in self._starting:
            self._starting.remove(trial)
            before = self._with_missed_validations(before, report)
        row = sweep_rows.updated(before, report, self._metrics, self.metric, self.mode)
        self._put(row)
        if time.monotonic() - self._written > _WRITE_S:
            self.write()
        if row.failed:
            return
        best = sweep_rows.ranked(self.rows, self.mode)
        if best and best[0].trial == trial and best[0].score != before.score:
            self._say(f"{self.name(trial)}: best so far, {self.metric} {row.score:.4f}", row)

    def end(self, trial: str, failed: str = "") -> None:
        """Note that a trial is over; `failed` is the cause if its process died."""
        row = self._rows[trial]
        failed = failed or row.failed
        status: Status = "finished" if row.status == "finished" else "stopped"
        row = replace(row, status="failed" if failed else status, failed=failed)
        what = (
            f"failed: {_one_line(failed)}"
            if failed
            else f"{row.status}, {self.metric} {row.score:.4f}"
        )
        self._put(row, f"{self.name(trial)} {what}")
        self._write_soon()

    def close(self) -> None:
        """Note that the sweep is over, and write sweep.parquet."""
        for row in self.rows:
            if not row.is_over:
                self._rows[row.trial] = replace(row, status="stopped")
        self._is_new = True
        self._ended = time.monotonic()
        self.write()

    @property
    def seconds(self) -> float:
        """The seconds that the search took in this process."""
        return (self._ended or time.monotonic()) - self._began

    def write(self) -> None:
        """Write sweep.parquet if anything has changed.

        Raises:
          MetatrainError: it cannot be written.
        """
        if not self._is_new:
            return
        began = time.monotonic()
        with writing(self._storage.place(sweep_rows.TRIALS_FILE)):
            sweep_rows.write(self._storage, self.rows, self._keys, self.metric)
        self._written, self._is_new = time.monotonic(), False
        self._cost_s = self._written - began

    def _with_missed_validations(self, row: Row, report: dict[str, Any]) -> Row:
        """Return the row with validations that a killed process logged but did not report."""
        if report.get("failed"):
            return row
        log, _ = read_whole_rows(Storage(beside(self._storage.location, f"/{report['run']}")))
        return sweep_rows.with_missed_validations(
            row, log, report, self._metrics, self.metric, self.mode
        )

    def _write_soon(self) -> None:
        """Write sweep.parquet now, or at a later event if writing takes long."""
        if self._cost_s < _CHEAP_S or time.monotonic() - self._written > _SHARE * self._cost_s:
            self.write()

    def name(self, trial: str) -> str:
        """Return the name of a trial: its number, from 1."""
        return f"trial {self._numbers[trial]}"

    def lines(self, only_failed: bool = False) -> list[str]:
        """Return a line for each trial, the best first, with the causes of failures."""
        best = sweep_rows.ranked(self.rows, self.mode)
        lines = []
        scored = {row.trial for row in best}
        for row in [*best, *(row for row in self.rows if row.trial not in scored)]:
            if only_failed and not row.failed:
                continue
            score = "" if math.isnan(row.score) else f", best {self.metric} {row.score:.4f}"
            why = f": {_one_line(row.failed)}" if row.failed else ""
            status = f"{row.status}{why} at step {row.step}"
            lines.append(f"{self.name(row.trial)}{score}, {status}, {_point(row)}")
        return lines

    def _put(self, row: Row, event: str = "") -> None:
        self._rows[row.trial], self._is_new = row, True
        if self._console.is_terminal:
            self._show()
        elif event:
            self._say(event, row)

    def _say(self, event: str, row: Row) -> None:
        if not self._console.is_terminal:
            self._console.print(f"{event} (step {row.step}, {_point(row)})")

    def _show(self) -> None:
        self._live.update(self.render(), refresh=True)

    def render(self) -> RichTable:
        """Return a table of running trials, then the best ones; as many as fit on a screen."""
        rows = self.rows
        best = sweep_rows.ranked(rows, self.mode)
        order = {row.trial: rank for rank, row in enumerate(best)}
        shown = sorted(rows, key=lambda r: (r.status != "running", order.get(r.trial, math.inf)))
        over = sum(row.is_over for row in rows)
        table = RichTable(
            title=f"{over} of {self._num_trials} trials, {self.seconds:.0f} s"
            + (f", best {self.metric} {best[0].score:.4f}" if best else ""),
            caption=f"{len(rows) - _SHOWN} more" if len(rows) > _SHOWN else None,
        )
        for title in ("trial", "status", "step", *(_short(key) for key in self._keys)):
            table.add_column(title, justify="right", no_wrap=True)
        table.add_column(Text(f"best\n{self.metric}"), justify="right", no_wrap=True)
        for row in shown[:_SHOWN]:
            score = "" if math.isnan(row.score) else f"{row.score:.4f}"
            mark = " *" if best and best[0].trial == row.trial else ""
            table.add_row(
                str(self._numbers[row.trial]),
                row.status,
                str(row.step),
                *(_plain(row.point.get(key, "")) for key in self._keys),
                score + mark,
                style=_STYLES.get(row.status),
            )
        return table


def _point(row: Row) -> str:
    return ", ".join(f"{key}={_plain(value)}" for key, value in row.point.items())


def _one_line(cause: str) -> str:
    return " ".join(cause.splitlines()[0].split())


def _short(key: str) -> str:
    return key.rpartition(".")[2] if key.count(".") == 1 else key


def _plain(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
