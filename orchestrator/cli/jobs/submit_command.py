"""`metatrain submit`: sends a command and the code that it needs to a cluster, as a job."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.common import NOTES, RESULTS, show_note
from orchestrator.jobs.candidates import IGNORED
from orchestrator.jobs.dashboard import dashboard_address
from orchestrator.jobs.shipping import pack
from orchestrator.jobs.submission import SCRIPT, Shipment, Submission, next_attempt
from orchestrator.text.plain_text import readable_size

_MOST_NAMED = 5  # files in a note

if TYPE_CHECKING:  # imports Ray, which errors must not wait for
    from orchestrator.jobs.jobs import Job, Jobs


def submit_job(
    submission: Submission,
    shipment: Shipment,
    address: str | None,
    again: bool,
    wait: bool,
    python: str | None,
    again_with: str = "",
) -> int:
    """Submit a job, print the next commands, and follow the job if `wait`.

    Args:
      again_with: the options (see `options`) to repeat for a further attempt.
    Returns:
      the exit code: 0, or with `wait` the job's.
    Raises:
      ValueError: it was submitted before.
      ClusterError: the cluster does not accept it.
    """
    if python is not None and not python.startswith("/"):
        raise ValueError(f"--python {python} is not an absolute path of a Python on the head")
    url = dashboard_address(address, os.environ)
    from orchestrator.jobs.jobs import Jobs

    jobs = Jobs(url)
    id = submit(jobs, submission, shipment, again, python, again_with)
    # The next commands name the address only where it was given here.
    option = f" --address {shlex.quote(jobs.address)}" if address else ""
    _show_next(jobs, id, submission, option)
    if not wait:
        return 0
    from orchestrator.cli.jobs.jobs_command import follow_to_the_end

    return follow_to_the_end(jobs, id, option)


def submit(
    jobs: Jobs,
    submission: Submission,
    shipment: Shipment,
    again: bool,
    python: str | None,
    again_with: str = "",
) -> str:
    """Start the job, or if `again` the next attempt of it; return its id."""
    earlier = [job for job in jobs.all() if job.base == submission.id]
    id = next_attempt(submission.id, [job.id for job in earlier])
    if earlier:
        _check_attempts(earlier, again)
    for note in [*submission.notes, *_left_here(shipment)]:
        show_note(note)
    from orchestrator.jobs.jobs import Job

    with tempfile.TemporaryDirectory(prefix="metatrain-") as folder:
        archive = Path(folder, "working_dir.zip")
        pack(
            shipment, {SCRIPT: files("orchestrator.jobs").joinpath("job.sh").read_bytes()}, archive
        )
        NOTES.print(
            f"sending {len(shipment.files)} file{'' if len(shipment.files) == 1 else 's'}, "
            f"{readable_size(archive.stat().st_size)}, from {shipment.folder}",
        )
        command = shlex.join(submission.words)
        job = Job(id, "", submission.id, submission.run, command, again_with)
        jobs.submit(id, submission.entrypoint(again, python), archive, job)
    return id


def options(working_dir: str, include: Sequence[str], python: str | None) -> str:
    """Return the options that a further attempt must repeat."""
    words = [] if working_dir == "." else ["--working-dir", working_dir]
    words += [word for pattern in include for word in ("--include", pattern)]
    return shlex.join([*words, *(["--python", python] if python else [])])


def show_shipment(shipment: Shipment) -> None:
    """Print each file and its size, and which files are left out and why."""
    for path, size in sorted(shipment.files.items()):
        if path not in shipment.suspects:
            print(f"{readable_size(size):>8}  {_printable(path)}")
    refused = {path: f"it looks like {what}" for path, what in shipment.suspects.items()}
    for path, why in sorted({**shipment.left_out, **refused}.items()):
        print(f"not sent  {_printable(path)}: {_printable(why)}")
    print(
        f"{len(shipment.files) - len(refused)} files, {readable_size(shipment.num_bytes)} before "
        f"compression, from {_printable(str(shipment.folder))}"
    )


def show_plan(submission: Submission) -> None:
    """Print what would run, and that nothing was sent."""
    for note in submission.notes:
        show_note(note)
    print(f"command: {_printable(submission.command(again=False))}")
    print(f"run: {_printable(submission.run)}")
    print("nothing was sent (--dry-run)")


def _left_here(shipment: Shipment) -> Iterator[str]:
    """Name the files that may be missing on the cluster, a line for each reason."""
    reasons = [reason for reason in shipment.left_out.values() if reason != IGNORED]
    for reason in dict.fromkeys(reasons):
        paths = sorted(path for path, why in shipment.left_out.items() if why == reason)
        more = f" and {len(paths) - _MOST_NAMED} more" if paths[_MOST_NAMED:] else ""
        yield (
            f"not sent: {', '.join(map(_printable, paths[:_MOST_NAMED]))}{more}: {reason}; "
            "--include PATH sends it, --dry-run shows all"
        )


def _printable(text: str) -> str:
    """Escape a file name that holds control characters, or bytes that are no text."""
    return text if text.isprintable() else repr(text)[1:-1]


def _check_attempts(earlier: list[Job], again: bool) -> None:
    newest = max(earlier, key=lambda job: (len(job.id), job.id))
    running = [job for job in earlier if not job.is_over]
    if running:
        raise ValueError(
            f"{running[0].id} is {running[0].status} already; watch it with: metatrain logs -f "
            f"{running[0].id}" + (f"; end it with: metatrain stop {running[0].id}" if again else "")
        )
    if not again:
        raise ValueError(
            f"this was submitted before, as {newest.id}, which is {newest.status}; see it with: "
            f"metatrain logs {newest.id}; continue in its run folder with --again"
        )


def _show_next(jobs: Jobs, id: str, submission: Submission, option: str) -> None:
    RESULTS.print(f"submitted: {id}")
    RESULTS.print(f"run: {submission.run}")
    RESULTS.print(f"watch: metatrain logs -f {id}{option}")
    RESULTS.print(f"status: metatrain status {id}{option}")
    RESULTS.print(f"stop: metatrain stop {id}{option}")
    RESULTS.print(f"dashboard: {jobs.address}")
    sys.stdout.flush()
