"""A job's log to its end, and the exit code that the local command would have had."""

import sys
import time
from collections.abc import Callable

from orchestrator.cli.common import show_note
from orchestrator.jobs.jobs import Job, Jobs
from workers.wire.errors import ClusterError

EXIT_DONE, EXIT_FAILED, EXIT_WRONG_INPUT, EXIT_STOPPED = 0, 1, 2, 75
_BETWEEN_TRIES_S = 2.0
_MOST_TRIES = 15


def to_stdout(text: str) -> None:
    """At once, into a pipe too."""
    sys.stdout.write(text)
    sys.stdout.flush()


def follow(
    jobs: Jobs,
    id: str,
    write: Callable[[str], object] = to_stdout,
    sleep: Callable[[float], object] = time.sleep,
    warn: Callable[[str], object] = show_note,
) -> Job:
    """Write what a job prints, each piece once, until it has ended.

    A connection that breaks is made again, and goes on where it was.

    Returns:
      the job as it ended.
    Raises:
      ClusterError: the cluster does not come back.
    """
    printed = failures = 0
    while True:
        try:
            job = jobs.get(id)
            if job.is_over:  # to follow a log that has ended takes Ray seconds
                write(jobs.log(id)[printed:])
                return job
            seen = 0
            for piece in jobs.follow(id):
                new = piece[max(0, printed - seen) :]
                seen += len(piece)
                if new:
                    write(new)
                    printed, failures = seen, 0
                elif not piece and jobs.get(id).is_over:
                    break
            failures = 0
            if jobs.get(id).is_over:
                continue
        except ClusterError as error:
            failures += 1
            if failures > _MOST_TRIES:
                watch = f"it may be running all the same; watch it with: metatrain logs -f {id}"
                raise ClusterError(f"{error}. {watch}") from None
            if failures == 1:
                warn(f"{error}; trying again")
        sleep(_BETWEEN_TRIES_S)


def exit_code(job: Job) -> int:
    """Of a job that is over: 0, 1, 2 or 75, as the local command ends."""
    if job.status == "SUCCEEDED":
        return EXIT_DONE
    if job.status == "STOPPED":
        return EXIT_STOPPED
    known = (EXIT_FAILED, EXIT_WRONG_INPUT, EXIT_STOPPED)
    return job.exit_code if job.exit_code in known else EXIT_FAILED
