import io

import pytest
from rich.text import Text
from small_jobs import LOST, SmallJobs, job

from orchestrator.cli.jobs import jobs_command, submit_command
from orchestrator.cli.jobs.following import exit_code, follow
from orchestrator.jobs import shipping
from orchestrator.jobs.submission import Submission
from orchestrator.text.console import Console
from workers.wire.errors import ClusterError

RUNNING, DONE = {"status": "RUNNING"}, {"status": "SUCCEEDED", "exit_code": 0}


# Which job.


def test_an_id_may_be_left_out_where_one_job_is_there_or_runs():
    assert jobs_command.find(SmallJobs(job("a", "STOPPED")), None).id == "a"
    jobs = SmallJobs(job("a", "STOPPED"), job("b", "RUNNING"), job("c", "FAILED"))
    assert jobs_command.find(jobs, None).id == "b"


def test_the_beginning_of_an_id_will_do_if_it_fits_one():
    jobs = SmallJobs(job("abc-1"), job("abd-1"), job("ab"))
    assert jobs_command.find(jobs, "abc").id == "abc-1"
    assert jobs_command.find(jobs, "ab").id == "ab"
    with pytest.raises(ValueError, match="'a' fits several jobs; there are"):
        jobs_command.find(jobs, "a")


def test_of_several_attempts_the_newest_is_meant_unless_one_is_named_whole():
    tries = [job(id, base="abc") for id in ("abc", "abc-2", "abc-9", "abc-10")]
    jobs = SmallJobs(*tries)
    assert jobs_command.find(jobs, "ab").id == "abc-10"
    assert jobs_command.find(jobs, None).id == "abc-10"
    assert jobs_command.find(jobs, "abc-2").id == "abc-2"


def test_where_none_runs_the_newest_is_meant_and_told(capsys):
    ended = [job(id, status="SUCCEEDED") for id in ("new", "old")]
    assert jobs_command.find(SmallJobs(*ended), None).id == "new"
    assert "no job runs; this is the newest one, new; metatrain list" in capsys.readouterr().err
    running = [*ended, job("running")]
    assert jobs_command.find(SmallJobs(*running), None).id == "running"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("jobs", "given", "expected"),
    [
        ([], None, "there is no job of metatrain's on http://cluster:8265; metatrain submit"),
        ([job("a")], "b", "no job of metatrain's is called 'b'; there are a"),
        ([job("a"), job("b")], None, "which job is meant\\? there are"),
        ([job(str(n)) for n in range(10, 19)], "x", "there are (\\d\\d, ){5}\\.\\.\\."),
    ],
)
def test_no_job_or_several_are_refused_with_the_names_there_are(jobs, given, expected):
    with pytest.raises(ValueError, match=expected):
        jobs_command.find(SmallJobs(*jobs), given)


# To the end.


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
        endings=[RUNNING, DONE],
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


def test_control_c_leaves_the_job_alone_and_says_how_to_go_on(capsys):
    jobs = SmallJobs(job(), pieces=[["one\n", KeyboardInterrupt()]])
    assert jobs_command.follow_to_the_end(jobs, "a-1", " --address http://x:1") == 75
    assert not jobs.stopped
    told = capsys.readouterr()
    assert told.out == "one\n"
    assert (
        "a-1 is still running; watch it with: metatrain logs -f a-1 --address http://x:1"
        in told.err
    )
    assert "metatrain stop a-1 --address http://x:1" in told.err


def test_a_job_that_never_ran_says_why(capsys):
    ended = {"status": "FAILED", "message": "page\nThe package is gone.\n"}
    assert jobs_command.follow_to_the_end(SmallJobs(job(), endings=[ended]), "a-1") == 1
    assert capsys.readouterr().err == "a-1: FAILED: The package is gone.\n"


def test_a_job_that_was_stopped_says_what_goes_on(capsys):
    ended = {"status": "STOPPED"}
    assert jobs_command.follow_to_the_end(SmallJobs(job(), endings=[ended]), "a-1") == 75
    assert "continue with: metatrain submit --again -- train sinusoid" in capsys.readouterr().err


def test_a_log_is_printed_as_it_is(capsys):
    jobs = SmallJobs(job(), log="[bold]ä → b[/]\n" + "x" * 200 + "\n")
    assert jobs_command.show_log(jobs, None, False, "") == 0
    assert capsys.readouterr().out == "[bold]ä → b[/]\n" + "x" * 200 + "\n"


# Stopping.


def test_a_stop_waits_until_the_job_has_ended_and_says_what_was_saved(capsys):
    log = "saved up to step 3\nresuming\nsaved up to step 12\n"
    jobs = SmallJobs(job(), log=log, endings=[RUNNING, RUNNING, {"status": "STOPPED"}])
    jobs_command.stop(jobs, None, sleep=lambda seconds: None)
    assert jobs.stopped == ["a-1"]
    told = capsys.readouterr()
    assert told.out == "a-1: STOPPED\nsaved up to step 12 in ~/runs/a-1\n"
    assert "--again" in told.err


def test_a_stop_that_saved_nothing_says_so(capsys):
    jobs_command.stop(SmallJobs(job(), endings=[{"status": "STOPPED"}]), None, sleep=lambda s: None)
    assert "it ended without saving a step" in capsys.readouterr().err


def test_the_command_that_goes_on_has_the_options_that_were_given(capsys):
    jobs = SmallJobs(job(options="--working-dir my/code"), endings=[{"status": "STOPPED"}])
    jobs_command.stop(jobs, None, " --address http://there:8265", sleep=lambda seconds: None)
    command = "metatrain submit --again --address http://there:8265 --working-dir my/code -- train"
    assert f"continue with: {command} sinusoid\n" in capsys.readouterr().err


@pytest.mark.parametrize("nothing", ["", " "])
def test_an_empty_id_means_no_job(nothing):
    with pytest.raises(ValueError, match="'' is no job; give an id, or its beginning"):
        jobs_command.find(SmallJobs(job()), nothing)


def test_a_job_that_has_ended_is_not_stopped():
    jobs = SmallJobs(job(status="FAILED"))
    with pytest.raises(ValueError, match="a-1 has ended already: FAILED"):
        jobs_command.stop(jobs, "a-1")
    assert not jobs.stopped


def test_a_job_that_does_not_end_is_an_error():
    with pytest.raises(ClusterError, match="a-1 is still RUNNING"):
        jobs_command.stop(SmallJobs(job()), None, sleep=lambda seconds: None)


# Status and list.


def test_a_status_tells_all_of_a_job(capsys):
    log = "step 20: validation loss 1.0\nstep 30/40  loss 2 → 1\nevaluating\n"
    jobs = SmallJobs(job(status="FAILED", exit_code=2, ended=1090.0), log=log)
    jobs_command.show_status(jobs, "a")
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["job"] == "a-1"
    assert lines["status"] == "FAILED"
    assert lines["took"] == "1 min"
    assert lines["exit code"] == "2"
    assert lines["run"] == "~/runs/a-1"
    assert lines["command"] == "metatrain train sinusoid"
    assert lines["progress"] == "step 30/40  loss 2 → 1"


def test_a_status_of_a_job_that_waits_has_no_end(capsys):
    jobs_command.show_status(SmallJobs(job(status="PENDING", started=None)), None)
    told = capsys.readouterr().out
    assert "status: PENDING" in told
    assert "took" not in told
    assert "exit code" not in told


JOBS = [
    job("sinusoid-0123456789ab", "FAILED", exit_code=75, ended=1012.0),
    job("evaluate-sinusoid-0123456789ab", "RUNNING", started=2000.0, run="s3://bucket/" + "x" * 90),
]


def test_a_list_in_a_pipe_has_a_line_per_job(capsys):
    jobs_command.show_list(SmallJobs(*JOBS))
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "status", "started", "took", "run"]
    assert [row.split()[0] for row in rows] == [JOBS[1].id, JOBS[0].id]
    assert rows[0].rstrip().endswith("x" * 90)
    assert "FAILED 75" in rows[1]
    assert "12 s" in rows[1]


def test_a_list_fits_80_columns_with_whole_ids(monkeypatch):
    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=80)
    monkeypatch.setattr(jobs_command, "RESULTS", terminal)
    jobs_command.show_list(SmallJobs(*JOBS))
    lines = [Text.from_ansi(line).plain for line in text.getvalue().splitlines()]
    assert all(len(line) <= 80 for line in lines)
    for each in JOBS:
        assert any(line.startswith(f"{each.id}  ") for line in lines)
    assert "".join(lines).count("x") == 90


def test_no_job_is_no_error(capsys):
    jobs_command.show_list(SmallJobs())
    assert "there is no job of metatrain's on http://cluster:8265" in capsys.readouterr().err


# Submitting.

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
