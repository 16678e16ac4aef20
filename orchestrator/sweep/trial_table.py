"""The state of a sweep as it runs: a live table in a terminal, a line per event elsewhere."""

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
# What a validation adds to sweep.parquet may wait so long.
_WRITE_S = 10.0
# It is written whole: of a long sweep no more often than takes a fiftieth of the time.
_SHARE, _CHEAP_S = 50, 0.03
_STYLES = {"running": "bold", "failed": "red", "stopped": "dim"}


class SweepBoard:
    """Takes in what happens to trials, shows it, and keeps sweep.parquet current."""

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
        """Begin with the trials that sweep.parquet has: those of the sweep that is resumed.

        Args:
          keys: of the space. metrics: of validation; metric, mode: what decides.
        """
        self._storage, self._keys, self._console = storage, keys, console
        self._metrics, self.metric, self.mode = metrics, metric, mode
        self._num_trials = num_trials
        self._began = self._written = time.monotonic()
        self._cost_s = 0.0
        self._ended: float | None = None
        self._rows = {row.trial: row for row in sweep_rows.read(storage, metric)}
        self._numbers = {trial: number for number, trial in enumerate(self._rows, start=1)}
        self._starting: set[str] = set()  # begun or resumed, and not heard of since
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
        """A row for each trial that was begun, in order."""
        return list(self._rows.values())

    def start(self, trial: str, point: Point) -> None:
        """A trial begins, or goes on."""
        row = self._rows.setdefault(trial, Row(trial, point))
        self._numbers.setdefault(trial, len(self._rows))
        begins = "goes on" if row.step else "begins"
        self._starting.add(trial)
        self._put(replace(row, point=point, status="running"), f"{self.name(trial)} {begins}")
        self._write_soon()

    def report(self, trial: str, report: dict[str, Any]) -> None:
        """A trial was validated, or failed."""
        before = self._rows[trial]
        if trial in self._starting:
            self._starting.remove(trial)
            before = self._caught_up(before, report)
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
        """A trial is over."""
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
        """The sweep is over: nothing runs any more."""
        for row in self.rows:
            if not row.is_over:
                self._rows[row.trial] = replace(row, status="stopped")
        self._is_new = True
        self._ended = time.monotonic()
        self.write()

    @property
    def seconds(self) -> float:
        """Of the search, in this process."""
        return (self._ended or time.monotonic()) - self._began

    def write(self) -> None:
        """Write sweep.parquet, if there is anything new.

        Raises:
          MetatrainError: it cannot be written.
        """
        if not self._is_new:
            return
        began = time.monotonic()
        with writing(self._storage.place(sweep_rows.NAME)):
            sweep_rows.write(self._storage, self.rows, self._keys, self.metric)
        self._written, self._is_new = time.monotonic(), False
        self._cost_s = self._written - began

    def _caught_up(self, row: Row, report: dict[str, Any]) -> Row:
        """The row with what a killed process of the trial logged, and did not live to report."""
        if report.get("failed"):
            return row
        log, _ = read_whole_rows(Storage(beside(self._storage.location, f"/{report['run']}")))
        return sweep_rows.caught_up(row, log, report, self._metrics, self.metric, self.mode)

    def _write_soon(self) -> None:
        """Write it now; or, where that takes long, later: at the next event, or when Tune saves."""
        if self._cost_s < _CHEAP_S or time.monotonic() - self._written > _SHARE * self._cost_s:
            self.write()

    def name(self, trial: str) -> str:
        """What it is called: its number, from 1."""
        return f"trial {self._numbers[trial]}"

    def lines(self, only_failed: bool = False) -> list[str]:
        """A line for each trial, the best first: where a table would be cut, and for causes."""
        best = sweep_rows.ranked(self.rows, self.mode)
        lines = []
        there = {row.trial for row in best}
        for row in [*best, *(row for row in self.rows if row.trial not in there)]:
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
        self._live.update(self.table(), refresh=True)

    def table(self) -> RichTable:
        """The trials: those that run, then the best; as many as fit on a screen."""
        rows = self.rows
        best = sweep_rows.ranked(rows, self.mode)
        order = {row.trial: place for place, row in enumerate(best)}
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
