"""The commands status, logs, stop and list: how a job is found, and what is printed."""

import asyncio
import io
import json
import signal

import pytest
from rich.text import Text
from small_jobs import SmallJobs, job

from orchestrator.cli.jobs import jobs_command
from orchestrator.run.signals import GracefulStop
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


def test_control_c_leaves_the_job_alone_and_says_how_to_go_on(capsys):
    jobs = SmallJobs(job(), pieces=[["one\n", KeyboardInterrupt()]])
    assert jobs_command.follow_to_the_end(jobs, "a-1", " --address http://x:1") == 75
    assert not jobs.stopped
    output = capsys.readouterr()
    assert output.out == "one\n"
    assert (
        "a-1 is still running; watch it with: metatrain logs -f a-1 --address http://x:1"
        in output.err
    )
    assert "metatrain stop a-1 --address http://x:1" in output.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_control_c_within_asyncio_is_not_lost_under_the_command_lines_handlers(capsys, number):
    class Waiting(SmallJobs):
        def follow(self, id):
            yield "one\n"
            loop = asyncio.new_event_loop()
            loop.call_soon(signal.raise_signal, number)
            loop.call_later(0.05, loop.stop)
            try:
                loop.run_forever()
            finally:
                loop.close()
            pytest.fail("the signal was lost")

    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    stop = GracefulStop()
    try:
        assert jobs_command.follow_to_the_end(Waiting(job()), "a-1") == 75
        assert signal.getsignal(number) == stop._receive
    finally:
        for n, handler in handlers.items():
            signal.signal(n, handler)
    assert "a-1 is still running; watch it with" in capsys.readouterr().err


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
    output = capsys.readouterr()
    assert output.out == "a-1: STOPPED\nsaved up to step 12 in ~/runs/a-1\n"
    assert "--again" in output.err


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
    printed = capsys.readouterr().out
    assert "status: PENDING" in printed
    assert "took" not in printed
    assert "exit code" not in printed


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
    for item in JOBS:
        assert any(line.startswith(f"{item.id}  ") for line in lines)
    assert "".join(lines).count("x") == 90


def test_no_job_is_no_error(capsys):
    jobs_command.show_list(SmallJobs())
    assert "there is no job of metatrain's on http://cluster:8265" in capsys.readouterr().err


def test_as_json_the_jobs_and_one_of_them_have_all_that_is_known(capsys):
    jobs = SmallJobs(job("a-1"), job("b-1", "FAILED", exit_code=1, ended=1060.0), log="step 3/9 x")
    jobs_command.show_list(jobs, as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert listed["cluster"] == jobs.address
    assert {row["id"]: row["exit_code"] for row in listed["jobs"]} == {"a-1": None, "b-1": 1}
    jobs_command.show_status(jobs, "b-1", as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "id": "b-1",
        "status": "FAILED",
        "run": "~/runs/b-1",
        "exit_code": 1,
        "started": 1000.0,
        "ended": 1060.0,
        "command": "metatrain train sinusoid",
        "why": "",
        "progress": "step 3/9 x",
    }
    jobs_command.show_list(SmallJobs(), as_json=True)
    assert json.loads(capsys.readouterr().out)["jobs"] == []
