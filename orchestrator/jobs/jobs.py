"""The jobs of a cluster, through Ray's job submission API, with our errors and bounded waits."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import requests
from ray.dashboard.modules import dashboard_sdk
from ray.dashboard.modules.job import sdk
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobSubmissionClient

from orchestrator.text.redact import redact
from workers.wire.errors import ClusterError

#: Seconds that a stopped job has to end its step and save before Ray kills it (Ray's default is
#: 3 s). Ray reads RAY_JOB_STOP_WAIT_TIME_S in the process that supervises the job.
STOP_WAIT_S = 120
_CONNECT_S, _ANSWER_S = 5.0, 60.0
_QUIET_S = 20.0
_ADDRESS = "RAY_API_SERVER_ADDRESS"
_OURS, _BASE, _RUN = "metatrain", "metatrain_base", "metatrain_run"
_COMMAND, _OPTIONS = "metatrain_command", "metatrain_options"
#: Errors of Ray's client if no server answers, or not in time.
_UNREACHABLE = (
    requests.ConnectionError,
    requests.Timeout,
    aiohttp.ClientConnectionError,
    ConnectionError,
    TimeoutError,
)
#: Errors of Ray's client if the answer is not a dashboard's, or not one that it understands.
_NO_DASHBOARD = (
    aiohttp.ClientError,
    requests.RequestException,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
)
_OVER = ("STOPPED", "SUCCEEDED", "FAILED")


@dataclass(frozen=True, slots=True)
class Job:
    """A job of metatrain's, as the cluster reports it.

    status: Ray's status.
    base: id of its first attempt.
    options: the options of submit to repeat for a further attempt.
    started, ended: seconds since the epoch; None before.
    exit_code: the process's exit code; None while it runs, or if it was stopped, killed or lost.
    """

    id: str
    status: str
    base: str = ""
    run: str = ""
    command: str = ""
    options: str = ""
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    message: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the job has ended: succeeded, failed or stopped."""
        return self.status in _OVER


class Jobs:
    """The jobs of metatrain's on one cluster."""

    def __init__(self, address: str):
        """Connect to the dashboard at `address`. Raises ClusterError."""
        self.address = redact(address)
        for module in (dashboard_sdk, sdk):  # metatrain reports uploads and connections itself
            module.logger.setLevel(logging.ERROR)
        with self._explaining(), _environment(_ADDRESS, address):
            self._client = _Client(address)

    def submit(self, id: str, entrypoint: str, archive: Path, job: Job) -> None:
        """Send the archive, unless the cluster has it, and start a job.

        Args:
          id: the job's id.
          entrypoint: the shell command that the head runs.
          archive: zip file of the working directory.
          job: its base, run, command and options are stored as the job's metadata.
        """
        environment = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)}
        with self._explaining():
            self._client.submit_job(
                entrypoint=entrypoint,
                submission_id=id,
                runtime_env={"working_dir": str(archive), "env_vars": environment},
                metadata={
                    _OURS: "1",
                    _BASE: job.base,
                    _RUN: job.run,
                    _COMMAND: job.command,
                    _OPTIONS: job.options,
                },
            )

    def all(self) -> list[Job]:
        """List the jobs that metatrain submitted, the newest first."""
        with self._explaining():
            jobs = [_job(details) for details in self._client.list_jobs() if _is_ours(details)]
        return sorted(jobs, key=lambda job: (job.started or 0.0, job.id), reverse=True)

    def get(self, id: str) -> Job:
        """Return the current state of a job."""
        with self._explaining():
            return _job(self._client.get_job_info(id))

    def stop(self, id: str) -> None:
        """Ask a job to end within STOP_WAIT_S seconds."""
        with self._explaining():
            self._client.stop_job(id)

    def log(self, id: str) -> str:
        """Return a job's log so far."""
        with self._explaining():
            return self._client.get_job_logs(id)

    def follow(self, id: str) -> Iterator[str]:
        """Yield a job's log from its beginning until it ends; "" after a while without output."""
        stream = self._client.tail_job_logs(id)
        with self._explaining(), asyncio.Runner() as runner:
            waiting: Any = None
            while True:
                waiting, piece = runner.run(_next(stream, waiting))
                if piece is None:
                    return
                yield piece

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        """Turn errors of Ray and the network within into a ClusterError of one line."""
        try:
            yield
        except ClusterError as error:
            raise ClusterError(f"the cluster at {self.address} {error}") from None
        except AuthenticationError as error:
            raise ClusterError(_about_token(self.address, str(error))) from None
        except _UNREACHABLE:
            raise ClusterError(
                f"no dashboard answers at {self.address}; start the cluster, forward its port "
                "(ray dashboard cluster.yaml), or give another --address"
            ) from None
        except _NO_DASHBOARD as error:
            raise ClusterError(
                f"the answer of {self.address} is not a Ray dashboard's: {_first_line(error)}"
            ) from None


class _Client(JobSubmissionClient):
    """Ray's client with time limits, which it lacks, and errors of one line."""

    def _do_request(self, method: str, endpoint: str, **kwargs: Any) -> requests.Response:
        return super()._do_request(method, endpoint, timeout=(_CONNECT_S, _ANSWER_S), **kwargs)

    def _raise_error(self, r: requests.Response) -> None:
        lines = [line.strip() for line in r.text.splitlines() if any(map(str.isalpha, line))]
        last = (lines or [r.reason or "no reason"])[-1]
        if "already exists" in last:
            raise ClusterError(
                "has this job already: it was submitted in the meantime; see metatrain list"
            )
        raise ClusterError(f"refuses: {redact(last[:300])} (HTTP {r.status_code})")


async def _next(stream: Any, waiting: Any) -> tuple[Any, str | None]:
    """Wait for the next piece: None at the end; "" after a while, with the task still waiting."""
    task = waiting or asyncio.ensure_future(anext(stream, None))
    done, _ = await asyncio.wait({task}, timeout=_QUIET_S)
    return (None, task.result()) if done else (task, "")


def _is_ours(details: JobDetails) -> bool:
    return bool(details.submission_id and (details.metadata or {}).get(_OURS))


def _job(details: JobDetails) -> Job:
    metadata = details.metadata or {}
    return Job(
        id=details.submission_id,
        status=details.status.value,
        base=metadata.get(_BASE, ""),
        run=metadata.get(_RUN, ""),
        command=metadata.get(_COMMAND, ""),
        options=metadata.get(_OPTIONS, ""),
        started=details.start_time / 1000 if details.start_time else None,
        ended=details.end_time / 1000 if details.end_time else None,
        exit_code=details.driver_exit_code,
        message=details.message or "",
    )


def _about_token(address: str, text: str) -> str:
    """Explain an authentication error and what to set, without showing the token."""
    places = "RAY_AUTH_TOKEN, a file that RAY_AUTH_TOKEN_PATH names, or ~/.ray/auth_token"
    if text.startswith("Authentication required"):
        return (
            f"the cluster at {address} requires a token; set RAY_AUTH_MODE=token and put the token "
            f"into {places}"
        )
    if text.startswith("Authentication failed"):
        return (
            f"the cluster at {address} refuses the token; put the one that it was started with "
            f"into {places}"
        )
    if path := os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return f"RAY_AUTH_TOKEN_PATH = {path!r} cannot be read or is empty; put the token there"
    return f"RAY_AUTH_MODE is token, but there is none; put the cluster's into {places}"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return redact(lines[0][:300]) if lines else type(error).__name__


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable within; Ray's client lets it override its argument."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
