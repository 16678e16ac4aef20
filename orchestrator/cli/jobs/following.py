"""Following a job's log to its end, and the exit code that the local command would have had."""

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
    """Write to standard output at once, even into a pipe."""
    sys.stdout.write(text)
    sys.stdout.flush()


def follow(
    jobs: Jobs,
    id: str,
    write: Callable[[str], object] = to_stdout,
    sleep: Callable[[float], object] = time.sleep,
    warn: Callable[[str], object] = show_note,
) -> Job:
    """Write a job's output, each piece once, until the job has ended.

    A broken connection is opened again, and the output continues where it stopped.

    Returns:
      the job as it ended.
    Raises:
      ClusterError: the cluster stays unreachable.
    """
    printed = failures = 0
    while True:
        try:
            job = jobs.get(id)
            if job.is_over:  # following a log that has ended takes Ray seconds
                write(jobs.log(id)[printed:])
                return job
            received = 0
            for piece in jobs.follow(id):
                new = piece[max(0, printed - received) :]
                received += len(piece)
                if new:
                    write(new)
                    printed, failures = received, 0
                elif not piece and jobs.get(id).is_over:
                    break
            failures = 0
            if jobs.get(id).is_over:
                continue
        except ClusterError as error:
            failures += 1
            if failures > _MOST_TRIES:
                watch = f"the job may still be running; watch it with: metatrain logs -f {id}"
                raise ClusterError(f"{error}. {watch}") from None
            if failures == 1:
                warn(f"{error}; trying again")
        sleep(_BETWEEN_TRIES_S)


def exit_code(job: Job) -> int:
    """Return the exit code of an ended job: 0, 1, 2 or 75, as for the local command."""
    if job.status == "SUCCEEDED":
        return EXIT_DONE
    if job.status == "STOPPED":
        return EXIT_STOPPED
    ours = (EXIT_FAILED, EXIT_WRONG_INPUT, EXIT_STOPPED)
    return job.exit_code if job.exit_code in ours else EXIT_FAILED
