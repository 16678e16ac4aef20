import json
import os
import subprocess
import sys
import zipfile

import pytest
from small_dashboard import SmallDashboard, serving

from orchestrator.jobs import jobs as jobs_module
from orchestrator.jobs.jobs import STOP_WAIT_S, Job, Jobs
from workers.wire.errors import ClusterError

TOKEN = "t0ken-t0ken-t0ken"


@pytest.fixture(autouse=True)
def no_token(monkeypatch, tmp_path):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def record(id, status="RUNNING", metadata=None, **values):
    given = {"type": "SUBMISSION", "submission_id": id, "status": status, "entrypoint": "x"}
    return given | {"metadata": metadata if metadata is not None else {"metatrain": "1"}} | values


def test_only_jobs_of_metatrains_are_listed_the_newest_first():
    records = [
        record("old", start_time=1000),
        record("theirs", metadata={}),
        record("new", start_time=2000, end_time=3500, status="FAILED", driver_exit_code=75),
        record(None, type="DRIVER"),
    ]
    with serving(SmallDashboard(**{"/api/jobs/": (200, json.dumps(records))})) as address:
        new, old = Jobs(address).all()
    assert (old.id, old.started, old.ended, old.is_over) == ("old", 1.0, None, False)
    assert (new.id, new.started, new.ended, new.exit_code) == ("new", 2.0, 3.5, 75)


def test_a_job_takes_its_code_its_folder_and_time_to_save_and_no_variable_of_this_machine(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "PASSWORD")
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("a.py", "")
    submitted = (200, '{"job_id": "a-2", "submission_id": "a-2"}')
    answers = {"PUT /api/packages/": (200, ""), "POST /api/jobs/": submitted}
    dashboard = SmallDashboard(**answers)
    with serving(dashboard) as address:
        about = Job("a-2", "", base="a", run="~/runs/a", command="train sinusoid")
        Jobs(address).submit("a-2", "exec it", tmp_path / "code.zip", about)
    *_, (upload, package), (_, body) = dashboard.asked
    assert upload.startswith("PUT /api/packages/gcs/")
    assert package == (tmp_path / "code.zip").read_bytes()
    sent = json.loads(body)
    assert sent["submission_id"] == "a-2"
    assert sent["entrypoint"] == "exec it"
    environment = sent["runtime_env"]["env_vars"]
    assert environment == {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)}
    assert STOP_WAIT_S >= 60
    assert sent["metadata"]["metatrain_base"] == "a"
    assert sent["metadata"]["metatrain_run"] == "~/runs/a"
    assert "PASSWORD" not in json.dumps(sent)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((404, ""), "is not a Ray dashboard's"),
        ((500, "no"), "is not a Ray dashboard's: 500"),
        ((200, "<html>"), "is not a Ray dashboard's"),
        ((200, "{}"), "is not a Ray dashboard's"),
        ((401, "no"), "requires a token; set RAY_AUTH_MODE=token and put the token into RAY_AUTH"),
        ((403, "no"), "refuses the token"),
    ],
)
def test_what_is_no_dashboard_or_wants_a_token_is_one_line(answer, expected):
    dashboard = SmallDashboard(**{"/api/version": answer})
    with serving(dashboard) as address, pytest.raises(ClusterError, match=expected) as error:
        Jobs(address)
    assert "\n" not in str(error.value)
    assert address in str(error.value)


def test_a_dashboard_that_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(jobs_module, "_ANSWER_S", 0.1)
    with (
        serving(SmallDashboard(**{"/api/version": None})) as address,
        pytest.raises(ClusterError, match=r"no dashboard answers at http://127\.0"),
    ):
        Jobs(address)


def test_where_nothing_listens_it_is_said_without_the_secret_in_the_address():
    with serving(SmallDashboard()) as address:
        pass
    address = address.replace("http://", "http://me:PASSWORD@")
    with pytest.raises(ClusterError, match=r"no dashboard answers at http://\*\*\*@127") as error:
        Jobs(address)
    assert "PASSWORD" not in str(error.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("Traceback\nRuntimeError: no room\n.\n", r"refuses: RuntimeError: no room \(HTTP 500\)"),
        ("ValueError: Job with submission_id a already exists.\n.\n", "has this job already"),
        ("", r"refuses: Internal Server Error \(HTTP 500\)"),
    ],
)
def test_a_refusal_is_told_by_its_last_line_that_has_words(body, words):
    with serving(SmallDashboard(**{"/api/jobs/": (500, body)})) as address:
        jobs = Jobs(address)
        with pytest.raises(ClusterError, match=words):
            jobs.get("a")


def test_a_dashboard_that_breaks_off_later_is_one_line_too():
    dashboard = SmallDashboard(**{"/api/jobs/": (500, "Traceback\n  line\nKeyError: 'x'\n")})
    with serving(dashboard) as address:
        jobs = Jobs(address)
        with pytest.raises(ClusterError, match=r"refuses: KeyError: 'x' \(HTTP 500\)"):
            jobs.get("a")
        with pytest.raises(ClusterError, match="is not a Ray dashboard's"):
            list(jobs.follow("a"))
        dashboard.answers["/api/jobs/"] = (200, '[{"strange": 1}]')
        with pytest.raises(ClusterError, match="is not a Ray dashboard's") as error:
            jobs.all()
    assert "\n" not in str(error.value)
    for ask in (jobs.all, lambda: list(jobs.follow("a"))):  # the server is gone
        with pytest.raises(ClusterError, match=f"no dashboard answers at {address}"):
            ask()


def test_the_address_that_is_asked_is_the_one_that_was_given(monkeypatch):
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    with serving(SmallDashboard(**{"/api/jobs/": (200, "[]")})) as address:
        assert Jobs(address).all() == []
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS")
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:1")
    with serving(SmallDashboard(**{"/api/jobs/": (200, "[]")})) as address:
        assert Jobs(address).all() == []


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "RAY_AUTH_MODE is token, but there is none; put the cluster's into RAY_AUTH_TOKEN"),
        ({"RAY_AUTH_TOKEN_PATH": "/nowhere"}, "RAY_AUTH_TOKEN_PATH = '/nowhere' cannot be read"),
        ({"RAY_AUTH_TOKEN": TOKEN}, "refuses the token; put the one that it was started with"),
    ],
)
def test_without_a_token_or_with_a_wrong_one_it_is_said_what_to_set(environment, expected):
    """Run in a new process, since Ray reads the token once."""
    with serving(SmallDashboard(**{"/api/version": (403, "forbidden")})) as address:
        message = in_a_process(address, {"RAY_AUTH_MODE": "token"} | environment)
    assert message.startswith("ClusterError ")
    assert expected in message
    assert TOKEN not in message
    assert len(message.splitlines()) == 1


def test_a_token_is_sent_and_shown_nowhere():
    dashboard = SmallDashboard(**{"/api/jobs/": (200, "[]")})
    with serving(dashboard) as address:
        message = in_a_process(address, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN})
    assert message == "[]\n"
    assert set(dashboard.tokens) == {f"Bearer {TOKEN}"}


def in_a_process(address, environment):
    code = f"""
from orchestrator.jobs.jobs import Jobs
try:
    print(Jobs({address!r}).all())
except Exception as error:
    print(type(error).__name__, error)"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr
