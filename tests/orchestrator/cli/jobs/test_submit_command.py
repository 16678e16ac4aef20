"""Submitting a job, and a further attempt of it."""

import pytest
from small_jobs import SmallJobs, job

from orchestrator.cli.jobs import submit_command
from orchestrator.jobs import shipping
from orchestrator.jobs.submission import Submission

SUBMISSION = Submission("a", ("train", "sinusoid"), "~/runs/a", resumable=True, notes=("a note",))


def submit(tmp_path, jobs, again=False):
    (tmp_path / "code.py").write_text("")
    return submit_command.submit(jobs, SUBMISSION, shipping.choose(tmp_path), again, None)


def test_a_job_is_sent_with_its_code_and_our_script(tmp_path):
    jobs = SmallJobs()
    assert submit(tmp_path, jobs) == "a"
    ((entrypoint, archive),) = jobs.sent
    assert entrypoint == "exec /bin/sh .metatrain/job.sh train sinusoid"
    assert b"code.py" in archive
    assert b".metatrain/job.sh" in archive
    assert jobs.get("a").base == "a"
    assert jobs.get("a").command == "train sinusoid"


def test_the_same_twice_is_refused_with_its_status_and_nothing_is_sent(tmp_path, capsys):
    for status, again, expected in (
        (
            "SUCCEEDED",
            False,
            "submitted before, as a, which is SUCCEEDED; see it with: metatrain lo",
        ),
        ("RUNNING", False, "a is RUNNING already; watch it with: metatrain logs -f a$"),
        ("PENDING", True, "a is PENDING already;.* end it with: metatrain stop a"),
    ):
        jobs = SmallJobs(job("a", status), job("other", "RUNNING"))
        with pytest.raises(ValueError, match=expected):
            submit(tmp_path, jobs, again)
        assert not jobs.sent
    assert capsys.readouterr().err == ""


def test_one_more_attempt_resumes_under_the_next_id(tmp_path):
    jobs = SmallJobs(job("a", "STOPPED"), job("a-2", "FAILED", base="a"))
    assert submit(tmp_path, jobs, again=True) == "a-3"
    assert jobs.sent[0][0].endswith("train sinusoid --resume")
    assert jobs.get("a-3").base == "a"


def test_one_more_attempt_of_what_this_cluster_does_not_know_resumes_what_may_be_there(tmp_path):
    jobs = SmallJobs()
    assert submit(tmp_path, jobs, again=True) == "a"
    assert jobs.sent[0][0].endswith(" --resume")
