"""A job's log, followed to its end."""

import io

import pytest
from small_jobs import LOST, SmallJobs, job

from orchestrator.cli.jobs.following import exit_code, follow
from workers.wire.errors import ClusterError

RUNNING, DONE = {"status": "RUNNING"}, {"status": "SUCCEEDED", "exit_code": 0}


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("SUCCEEDED", 0, 0),
        ("FAILED", 1, 1),
        ("FAILED", 2, 2),
        ("FAILED", 75, 75),
        ("FAILED", 127, 1),
        ("FAILED", -9, 1),
        ("FAILED", None, 1),
        ("STOPPED", None, 75),
    ],
)
def test_the_exit_code_is_the_local_commands(status, code, expected):
    assert exit_code(job(status=status, exit_code=code)) == expected


def followed(jobs):
    written, warned = io.StringIO(), []
    ended = follow(jobs, "a-1", written.write, lambda seconds: None, warned.append)
    return ended, written.getvalue(), warned


def test_a_log_is_followed_to_the_end_and_each_piece_is_written_once():
    jobs = SmallJobs(
        job(),
        pieces=[["one\n", "two\n", LOST], [LOST], ["one\ntw", "o\nthree\n"], ["one\n"]],
        endings=[RUNNING] * 6 + [DONE],
        log="one\ntwo\nthree\nfour\n",
    )
    ended, written, warned = followed(jobs)
    assert written == "one\ntwo\nthree\nfour\n"
    assert warned == ["lost; trying again"]
    assert ended.status == "SUCCEEDED"


def test_a_silent_connection_is_left_once_the_job_has_ended():
    jobs = SmallJobs(job(), pieces=[["", "", "x"]], endings=[RUNNING, DONE], log="the end")
    ended, written, _ = followed(jobs)
    assert (ended.is_over, written) == (True, "the end")


def test_the_log_of_a_job_that_has_ended_is_not_waited_for():
    jobs = SmallJobs(job(status="FAILED"), pieces=[[AssertionError("followed")]], log="the end")
    ended, written, _ = followed(jobs)
    assert (ended.status, written) == ("FAILED", "the end")


def test_a_cluster_that_does_not_come_back_is_given_up():
    with pytest.raises(
        ClusterError, match=r"lost\. the job may still be running; .* metatrain logs -f a-1"
    ):
        followed(SmallJobs(job(), pieces=[[LOST]] * 100))


def test_a_cluster_that_answers_again_has_all_its_tries_again():
    pieces = [step for n in range(1, 9) for step in ([["x" * n, LOST]] + [[LOST]] * 14)]
    jobs = SmallJobs(job(), pieces=[*pieces, ["x" * 8]], endings=[DONE], log="x" * 8)
    assert followed(jobs)[1] == "x" * 8
