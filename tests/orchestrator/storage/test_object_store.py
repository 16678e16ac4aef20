"""Runs on an S3-compatible store: killed, resumed, evaluated, listed; and what is refused."""

import json
import signal
import time

import pytest
import warm_commands
from shell_commands import environment, theta_sha256, write_config
from small_configs import sinusoid
from small_s3 import private_store, silent_service, store, without_aws

from orchestrator.records.metrics_log import read_metrics
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage

STEPS = 400


@pytest.fixture(scope="module")
def s3():
    with store() as it, pytest.MonkeyPatch.context() as patch:
        for name, value in it.keys.items():
            patch.setenv(name, value)
        yield it


def start(folder, *words, **variables):
    """Start `metatrain WORDS...` with no credentials except those in `variables`."""
    full_environment = without_aws(environment(), str(folder)) | variables
    return warm_commands.start(folder, *words, environment=full_environment)


def run(folder, *words, **variables):
    """The same to its end."""
    return start(folder, *words, **variables).done(300)


@pytest.fixture
def config(tmp_path):
    settings = ["checkpoint.every=20", "evaluation.every=200", f"outer.steps={STEPS}"]
    return write_config(tmp_path, sinusoid(*settings))


def test_an_object_is_written_read_listed_and_deleted(s3):
    storage = Storage(s3.uri("one"))
    storage.claim()
    storage.write("a/b/x", b"123")
    storage.write("a/b/y", b"")
    assert storage.read("a/b/x") == b"123"
    assert storage.list("a/b") == ["x", "y"]
    storage.delete("a/b/y")
    storage.delete_dir("a")
    assert not storage.exists("a/b/x")
    assert storage.list() == []


def test_the_user_is_shown_where_an_object_is(s3):
    storage = Storage(s3.uri("two"))
    assert storage.location == f"s3://bucket/two?{s3.options}"
    assert storage.place("report.html") == f"s3://bucket/two/report.html?{s3.options}"
    assert storage.root == "bucket/two"


@pytest.mark.slow
def test_a_run_that_is_killed_on_s3_is_resumed_from_there_to_the_same_weights(s3, tmp_path, config):
    local = warm_commands.run(
        tmp_path, "train", config, "--out", "local", environment=environment(), draws=False
    )
    assert local.returncode == 0, local.stderr
    uri = s3.uri("run")
    storage = Storage(uri)
    process = start(tmp_path, "train", config, "--out", uri, **s3.keys)
    while process.poll() is None and checkpoint.names(storage)[-1:] < [checkpoint.name_of(20)]:
        time.sleep(0.01)
    process.kill()
    stderr = process.stderr
    assert process.poll() == -signal.SIGKILL, stderr
    saved = checkpoint.load_latest(storage)[0].step
    assert 0 < saved < STEPS

    resumed = run(tmp_path, "train", config, "--out", uri, "--resume", **s3.keys)
    assert resumed.returncode == 0, resumed.stderr
    assert f"resuming after step {saved}" in resumed.stderr
    assert theta_sha256(resumed.stdout) == theta_sha256(local.stdout)
    rows, expected = read_metrics(storage), read_metrics(Storage(str(tmp_path / "local")))
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert [row["loss_after"] for row in rows] == [row["loss_after"] for row in expected]

    evaluated = run(tmp_path, "evaluate", uri, "--out", "scores.json", **s3.keys)
    assert evaluated.returncode == 0, evaluated.stderr
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores == json.loads((tmp_path / "local" / "evaluation.json").read_text())
    listed = run(tmp_path, "checkpoints", uri, **s3.keys)
    assert listed.returncode == 0, listed.stderr
    assert checkpoint.name_of(STEPS) in listed.stdout

    for output in (stderr, *(done.stdout + done.stderr for done in (resumed, evaluated, listed))):
        assert not s3.shown_in(output)
    written = s3.objects("run/")
    assert {"run/config.toml", "run/evaluation.json", "run/report.html"} <= set(written)
    for name, content in written.items():
        assert not s3.shown_in(content.decode("latin-1")), name


@pytest.mark.slow
def test_a_run_on_s3_that_is_stopped_says_how_to_go_on(s3, tmp_path, config):
    uri = s3.uri("stopped")
    process = start(tmp_path, "train", config, f"--out={uri}", **s3.keys)
    storage = Storage(uri)
    while process.poll() is None and not read_metrics(storage):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    stopped = process.done(60)
    assert stopped.returncode == 75, stopped.stderr
    *_, saved, last = stopped.stderr.splitlines()
    assert saved == f"saved up to step {checkpoint.load_latest(storage)[0].step}"
    assert last.endswith(f" train small.toml '--out=s3://bucket/stopped?{s3.options}' --resume")
    assert not s3.shown_in(stopped.stdout + stopped.stderr)


@pytest.mark.parametrize("command", ["train", "evaluate", "checkpoints"])
def test_without_credentials_there_is_one_line_and_a_silent_service_is_asked_once(
    tmp_path, config, command
):
    """The service that would know a role of this machine: each question takes many seconds."""
    with silent_service() as (service, connections), private_store() as options:
        uri = f"s3://bucket/run?{options}"
        words = ["train", config, "--out", uri] if command == "train" else [command, uri]
        done = run(tmp_path, *words, AWS_EC2_METADATA_SERVICE_ENDPOINT=service)
        num_connections = len(connections)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith(f"metatrain: {uri} cannot be opened: ")
    assert "give credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in done.stderr
    assert num_connections == 1


@pytest.mark.parametrize(
    "uri",
    [
        "s3://{user}x@bucket/run?{options}",
        "s3://{user}@nobucket/run?{options}",
        "s3://KEY:wJalr/XUtnFEMI@bucket/run?{options}",
        "s3://{user}@bucket/run?nosuch=1&{options}",
        "s4://{user}@bucket/run",
    ],
    ids=["a wrong secret", "no such bucket", "not quoted", "no such option", "no such scheme"],
)
def test_a_refusal_shows_no_secret(s3, tmp_path, config, uri):
    done = run(tmp_path, "train", config, "--out", uri.format(user=s3.user, options=s3.options))
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "://***@" in done.stderr
    assert not s3.shown_in(done.stderr)
    assert "XUtnFEMI" not in done.stderr


@pytest.mark.parametrize(
    ("typed", "folder"),
    [
        ("mock://bucket/café x [a] 日本", "café x [a] 日本"),
        ("mock://bucket/caf%C3%A9", "café"),
        ("mock://bucket/100% $x$ \\ {a}", "100% $x$ \\ {a}"),
    ],
)
def test_a_uri_may_have_any_letters(typed, folder):
    assert Storage(typed).name == folder
