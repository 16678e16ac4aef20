"""`metatrain status`, `logs`, `stop` and `list`: commands about the jobs on a cluster."""

import os
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from rich.table import Table

from orchestrator.cli.common import NOTES, RESULTS, show_note
from orchestrator.cli.jobs.following import EXIT_STOPPED, exit_code, follow, to_stdout
from orchestrator.cli.json_output import print_json
from orchestrator.jobs.dashboard import dashboard_address
from orchestrator.jobs.jobs import STOP_WAIT_S, Job, Jobs
from orchestrator.run.signals import Interrupted, as_keyboard_interrupts
from orchestrator.text.console import Console
from workers.wire.errors import ClusterError

_POLL_S = 1.0
_SAVED = re.compile(r"saved up to step (\d+)")
_PROGRESS = re.compile(r"^(step \d+/\d+ .*|step \d+: validation .*)$", re.MULTILINE)
_WIDE = 10_000  # in a pipe, each job is one line
_SHORT_ID = 36  # fits into a terminal of 80 columns


def connect(address: str | None) -> Jobs:
    """Connect to the jobs of the cluster that --address or the environment names."""
    return Jobs(dashboard_address(address, os.environ))


def find(jobs: Jobs, prefix: str | None) -> Job:
    """Find a job by its id, by the beginning of its id, or as the only one that runs.

    If none runs and `prefix` is None, it is the newest job, and a note says so.

    Several attempts of a run count as one: the newest.

    Raises:
      ValueError: there is none, or `prefix` is ambiguous.
    """
    if prefix is not None and not prefix.strip():
        raise ValueError("'' is no job; give an id, or its beginning")
    all_jobs = jobs.all()
    if not all_jobs:
        raise ValueError(
            f"there is no job of metatrain's on {jobs.address}; metatrain submit -- train ... "
            "starts one"
        )
    for job in all_jobs:
        if job.id == prefix:
            return job
    if prefix is None:
        matching = [job for job in all_jobs if not job.is_over] or _newest(all_jobs)
    else:
        matching = [job for job in all_jobs if job.id.startswith(prefix)]
    names = ", ".join(job.id for job in (matching or all_jobs)[:5])
    names += ", ..." if len(matching or all_jobs) > 5 else ""
    if not matching:
        raise ValueError(f"no job of metatrain's is called {prefix!r}; there are {names}")
    if len({job.base for job in matching}) > 1:
        which = "which job is meant?" if prefix is None else f"{prefix!r} fits several jobs;"
        raise ValueError(f"{which} there are {names}")
    return max(matching, key=lambda job: (len(job.id), job.id))


def _newest(all_jobs: list[Job]) -> list[Job]:
    """Return the attempts of the run that was submitted last, all of which have ended."""
    newest = all_jobs[0]
    if any(job.base != newest.base for job in all_jobs):
        show_note(f"no job runs; this is the newest one, {newest.id}; metatrain list shows all")
    return [job for job in all_jobs if job.base == newest.base]


def show_status(jobs: Jobs, prefix: str | None, as_json: bool = False) -> None:
    """Print one job's state, and its last line of progress; or both as a JSON document."""
    job = find(jobs, prefix)
    progress = _PROGRESS.findall(jobs.log(job.id))
    if as_json:
        print_json({**_document(job), "progress": progress[-1] if progress else ""})
        return
    lines = {"job": job.id, "status": job.status}
    if job.started is not None:
        lines["started"] = f"{_moment(job.started)}, {_ago(time.time() - job.started)} ago"
        if job.is_over:
            lines["took"] = _ago((job.ended or time.time()) - job.started)
    if job.is_over:
        code = "none (it was stopped, killed or lost)" if job.exit_code is None else job.exit_code
        lines["exit code"] = str(code)
    lines |= {"run": job.run, "command": f"metatrain {job.command}"}
    if why := _why(job):
        lines["why"] = why
    if progress:
        lines["progress"] = progress[-1]
    for name, text in lines.items():
        RESULTS.print(f"{name}: {text}")


def show_log(jobs: Jobs, prefix: str | None, follows: bool, option: str) -> int:
    """Print a job's log, and follow it to its end if `follows`; return the exit code."""
    job = find(jobs, prefix)
    if follows:
        return follow_to_the_end(jobs, job.id, option)
    to_stdout(jobs.log(job.id))
    return 0


def follow_to_the_end(jobs: Jobs, id: str, option: str = "") -> int:
    """Print a job's log until it ends; return the exit code of the command, as if run here.

    Ctrl-C does not stop the job.
    """
    try:
        with as_keyboard_interrupts():
            job = follow(jobs, id)
    except (Interrupted, KeyboardInterrupt):
        NOTES.print(
            "",
            f"{id} is still running; watch it with: metatrain logs -f {id}{option}; stop it with: "
            f"metatrain stop {id}{option}",
            sep="\n",
        )
        return EXIT_STOPPED
    code = exit_code(job)
    why = _why(job)
    NOTES.print(f"{id}: {job.status}{f': {why}' if why else ''}")
    if code == EXIT_STOPPED:
        NOTES.print(_next_attempt(job, option))
    return code


def stop(
    jobs: Jobs,
    prefix: str | None,
    option: str = "",
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Ask a job to save and end, wait until it has, and print what it saved.

    Raises:
      ValueError: it has ended already.
      ClusterError: it does not end.
    """
    job = find(jobs, prefix)
    if job.is_over:
        raise ValueError(f"{job.id} has ended already: {job.status}")
    NOTES.print(f"asking {job.id} to save and end; it has {STOP_WAIT_S} s")
    jobs.stop(job.id)
    for _ in range(int((STOP_WAIT_S + 30) / _POLL_S)):
        job = jobs.get(job.id)
        if job.is_over:
            break
        sleep(_POLL_S)
    else:
        raise ClusterError(f"{job.id} is still {job.status}; see: metatrain logs {job.id}")
    RESULTS.print(f"{job.id}: {job.status}")
    saved = _SAVED.findall(jobs.log(job.id))
    if saved:
        RESULTS.print(f"saved up to step {saved[-1]} in {job.run}")
    else:
        show_note(
            "it ended without saving a step; the next attempt continues from the last checkpoint "
            f"in {job.run}, if there is one"
        )
    NOTES.print(_next_attempt(job, option))


def show_list(jobs: Jobs, as_json: bool = False) -> None:
    """Print a table of the jobs, the newest first, or a JSON document."""
    all_jobs = jobs.all()
    if as_json:
        print_json({"cluster": jobs.address, "jobs": [_document(job) for job in all_jobs]})
        return
    table = Table(box=None, pad_edge=False)
    short = all(len(job.id) <= _SHORT_ID for job in all_jobs)
    for name in ("id", "status", "started", "took", "run"):
        table.add_column(name, overflow="fold", no_wrap=short if name == "id" else name != "run")
    for job in all_jobs:
        ended = job.ended or time.time()
        table.add_row(
            job.id,
            job.status if job.exit_code in (None, 0) else f"{job.status} {job.exit_code}",
            "" if job.started is None else _moment(job.started),
            "" if job.started is None else _ago(ended - job.started),
            job.run,
        )
    if not all_jobs:
        NOTES.print(f"there is no job of metatrain's on {jobs.address}")
        return
    console = RESULTS if RESULTS.is_terminal else Console(width=_WIDE, soft_wrap=False)
    console.print(table)


def _document(job: Job) -> dict[str, Any]:
    """Return a job's state for JSON; times are seconds since 1970, UTC."""
    names = ("id", "status", "run", "exit_code", "started", "ended")
    return {
        **{name: getattr(job, name) for name in names},
        "command": f"metatrain {job.command}",
        "why": _why(job),
    }


def _next_attempt(job: Job, option: str) -> str:
    options = f" {job.options}" if job.options else ""
    return f"continue with: metatrain submit --again{option}{options} -- {job.command}"


def _why(job: Job) -> str:
    """Return why a job failed if its log cannot say it: the last line of Ray's message."""
    if job.status != "FAILED" or job.exit_code is not None:
        return ""
    lines = [line.strip() for line in job.message.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "its process was lost"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%b %d %H:%M}"


def _ago(seconds: float) -> str:
    """Format a duration, such as 12 s, 3 min, 2 h 5 min or 1 d 4 h."""
    whole = max(0, round(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{whole} s"
