"""`metatrain submit`: send a command and the code that it needs to a cluster, as a job."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.commands.common import NOTES, RESULTS, show_note
from orchestrator.dashboard import dashboard_address
from orchestrator.shipping import pack, readable_size
from orchestrator.submission import SCRIPT, Shipment, Submission, next_attempt

if TYPE_CHECKING:  # imports Ray, which refusals must not wait for
    from orchestrator.jobs import Job, Jobs


def execute(
    submission: Submission,
    shipment: Shipment,
    address: str | None,
    again: bool,
    wait: bool,
    python: str | None,
    typed_folder: str = ".",
) -> int:
    """Submit, say what to type next, and follow the job if asked to.

    Returns:
      the exit code: 0, or with `wait` the job's.
    Raises:
      ValueError: it was submitted before. ClusterError: the cluster does not take it.
    """
    if python is not None and not python.startswith("/"):
        raise ValueError(f"--python {python} is no absolute path of a Python on the head")
    url = dashboard_address(address, os.environ)
    from orchestrator.jobs import Jobs

    jobs = Jobs(url)
    id = submit(jobs, submission, shipment, again, python, typed_folder)
    # Further commands name the address only where it was named here.
    option = f" --address {shlex.quote(jobs.address)}" if address else ""
    _show_next(jobs, id, submission, option)
    if not wait:
        return 0
    from orchestrator.commands.jobs_command import follow_to_the_end

    return follow_to_the_end(jobs, id, option)


def submit(
    jobs: Jobs,
    submission: Submission,
    shipment: Shipment,
    again: bool,
    python: str | None,
    typed_folder: str = ".",
) -> str:
    """Start the job, the next attempt of it if `again`; its id."""
    earlier = [job for job in jobs.all() if job.base == submission.id]
    id = next_attempt(submission.id, [job.id for job in earlier])
    if earlier:
        _check_attempts(earlier, again)
    for note in submission.notes:
        show_note(note)
    from orchestrator.jobs import Job

    with tempfile.TemporaryDirectory(prefix="metatrain-") as folder:
        archive = Path(folder, "working_dir.zip")
        pack(shipment, {SCRIPT: files("orchestrator").joinpath("job.sh").read_bytes()}, archive)
        NOTES.print(
            f"sending {len(shipment.files)} file{'' if len(shipment.files) == 1 else 's'}, "
            f"{readable_size(archive.stat().st_size)}, from {shipment.folder}",
        )
        command, options = shlex.join(submission.words), _options(typed_folder, python)
        job = Job(id, "", submission.id, submission.run, command, options)
        jobs.submit(id, submission.entrypoint(again, python), archive, job)
    return id


def _options(typed_folder: str, python: str | None) -> str:
    """What to type again for a further attempt."""
    given = [] if typed_folder == "." else ["--working-dir", typed_folder]
    return shlex.join([*given, *(["--python", python] if python else [])])


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
            f"metatrain logs {newest.id}; go on in its run folder with --again"
        )


def _show_next(jobs: Jobs, id: str, submission: Submission, option: str) -> None:
    RESULTS.print(f"submitted: {id}")
    RESULTS.print(f"run: {submission.run}")
    RESULTS.print(f"watch: metatrain logs -f {id}{option}")
    RESULTS.print(f"status: metatrain status {id}{option}")
    RESULTS.print(f"stop: metatrain stop {id}{option}")
    RESULTS.print(f"dashboard: {jobs.address}")
    sys.stdout.flush()
