"""A cluster's jobs without a cluster: the contract of `orchestrator.jobs.jobs.Jobs`."""

from dataclasses import replace

from orchestrator.jobs.jobs import Job
from workers.wire.errors import ClusterError


def job(id="a-1", status="RUNNING", **values):
    given = {"base": id, "run": f"~/runs/{id}", "command": "train sinusoid", "started": 1000.0}
    return Job(id, status, **given | values)


class SmallJobs:
    """Jobs in states that a test chooses.

    pieces: what following yields, one list per connection; an error in it is raised.
    endings: what `get` says, one after another; the last one stays.
    """

    address = "http://cluster:8265"

    def __init__(self, *jobs, log="", pieces=(), endings=()):
        self._jobs = {each.id: each for each in jobs}
        self._log, self._pieces, self._endings = log, list(pieces), list(endings)
        self.stopped, self.sent = [], []

    def submit(self, id, entrypoint, archive, job):
        self.sent.append((entrypoint, archive.read_bytes()))
        self._jobs[id] = replace(job, status="PENDING", started=2000.0)

    def all(self):
        return sorted(self._jobs.values(), key=lambda job: job.started, reverse=True)

    def get(self, id):
        if self._endings:
            self._jobs[id] = replace(self._jobs[id], **self._endings.pop(0))
        return self._jobs[id]

    def stop(self, id):
        self.stopped.append(id)

    def log(self, id):
        return self._log

    def follow(self, id):
        for piece in self._pieces.pop(0) if self._pieces else []:
            if isinstance(piece, BaseException):
                raise piece
            yield piece


LOST = ClusterError("lost")
