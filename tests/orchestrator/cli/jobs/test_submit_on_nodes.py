"""A run on a cluster of three nodes on this machine, from `metatrain submit` to its results.

The head has no CPUs, and one node joins later; each has its own folder, as machines do. Another
Python comes first on the PATH of them all.
"""

import json
import os
import re
import shutil
import signal
import tempfile
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tomli_w
from nodes_journey import (
    MODEL,
    OTHER_PYTHON,
    STEPS,
    Journey,
    is_told_to_end,
    start_ray_process,
    until,
)
from ray._private import services
from ray.cluster_utils import Cluster
from small_configs import sinusoid

from orchestrator.config.schema import to_toml

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[tuple[str, Path, Callable[[], None]]]:
    """The dashboard's address, the cluster's home folder, and a function that adds a node."""
    home, path = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("bin")
    for name in ("python", "python3", "metatrain"):
        (path / name).write_text(OTHER_PYTHON)
        (path / name).chmod(0o755)
    folders = [tempfile.mkdtemp(prefix="mt", dir="/tmp") for _ in range(2)]  # short: sockets
    # Agents listen at a port that is free: by default it is a fixed one, perhaps another cluster's.
    options = {"object_store_memory": 80 * 1024**2, "dashboard_agent_listen_port": 0}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PATH", f"{path}:/usr/bin:/bin")
        environment.setenv("HOME", str(home))
        # Ray started in this process before has switched tokens on, and kept one in another home.
        environment.setenv("RAY_AUTH_MODE", "disabled")
        environment.setattr(services, "start_ray_process", start_ray_process)
        head = {"num_cpus": 0, "include_dashboard": True, "dashboard_host": "127.0.0.1"}
        head |= {"include_log_monitor": False}
        nodes = Cluster(True, head_node_args=head | options | {"dashboard_port": 0})
        join = (nodes.add_node(num_cpus=1, temp_dir=folder, **options) for folder in folders)
        try:
            next(join)
            yield f"http://{nodes.webui_url}", home, lambda: next(join)
        finally:
            nodes.shutdown()
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def journey(cluster, tmp_path_factory) -> Journey:
    """Submit, submit again, stop, continue, evaluate, fetch; and the same run without a cluster."""
    address, home, join = cluster
    code = tmp_path_factory.mktemp("code")
    (code / "my_models.py").write_text(MODEL)
    given = [f"outer.steps={STEPS}", "evaluation.every=10000", "checkpoint.every=20"]
    model = ["model.kind=keras", "model.source=my_models:small", "workers.count=auto"]
    lines = to_toml(sinusoid(*given, *model)).splitlines()
    (code / "small.toml").write_text(
        "\n".join(line for line in lines if not line.startswith("folder ="))
    )
    journey = Journey(address, home, code)
    submitted = journey.do("submit", "submit", "--", "train", "small.toml")
    assert submitted.returncode == 0, submitted.stderr
    driver = until(journey, journey.driver)
    until(journey, lambda: any(journey.run.glob("checkpoints/ckpt-*[1-9]*/manifest.json")))
    os.kill(driver, signal.SIGSTOP)  # a run of few steps is still there to be stopped
    try:
        journey.do("twice", "submit", "--", "train", "small.toml")
        stop = journey.start("stop")
        until(journey, lambda: is_told_to_end(driver))
    finally:
        os.kill(driver, signal.SIGCONT)
    journey.done["stop"] = stop.done()
    log = journey.start("logs", "-f", journey.id)
    join()
    journey.done["stopped"] = log.done()
    journey.do("again", "submit", "--again", "--wait", "--", "train", "small.toml")
    sweep = {"base": "small.toml", "space": {"algorithm.inner_lr": {"grid": [0.02]}}}
    sweep["overrides"] = {"outer.steps": 20, "evaluation.every": 10}
    (code / "rates.toml").write_text(tomli_w.dumps(sweep))
    submit = ["submit", "--wait", "--"]
    journey.do_together(
        {
            "refused": [*submit, "train", "small.toml", "--out", str(journey.run)],
            "evaluate": [*submit, "evaluate", f"~/metatrain-runs/{journey.id}"],
            "tune": [*submit, "tune", "rates.toml", "--out", str(home / "rates")],
            "local": ["train", "small.toml", "--out", "local", "--workers", "0"],
        }
    )
    journey.do("list", "list")
    journey.do("status", "status", f"{journey.id}-2")
    shutil.copytree(journey.run, code / "fetched")
    journey.do("fetched", "checkpoints", "fetched")
    return journey


def theta_of(output: str) -> str:
    return re.search(r"theta after step \d+: sha256 ([0-9a-f]{64})", output).group(1)


def test_it_says_what_to_type_next(journey):
    lines = journey.done["submit"].stdout.splitlines()
    assert lines == [
        f"submitted: {journey.id}",
        f"run: ~/metatrain-runs/{journey.id}",
        f"watch: metatrain logs -f {journey.id}",
        f"status: metatrain status {journey.id}",
        f"stop: metatrain stop {journey.id}",
        f"dashboard: {journey.address}",
    ]


def test_the_same_twice_is_refused_while_it_runs(journey):
    done = journey.done["twice"]
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"metatrain: {journey.id} is RUNNING already; watch it with: metatrain l"
    )


def test_a_stop_saves_the_last_step_and_says_which(journey):
    done = journey.done["stop"]
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == f"{journey.id}: STOPPED"
    assert re.fullmatch(rf"saved up to step \d+ in ~/metatrain-runs/{journey.id}", second)
    assert "continue with: metatrain submit --again -- train small.toml" in done.stderr
    log = journey.done["stopped"]
    assert log.returncode == 75
    assert "continue with: metatrain submit --again -- train small.toml" in log.stdout


def test_one_more_attempt_goes_on_where_the_first_was_stopped(journey):
    done = journey.done["again"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"submitted: {journey.id}-2" in done.stdout
    saved = re.search(r"saved up to step (\d+)", journey.done["stop"].stdout).group(1)
    assert 0 < int(saved) < STEPS
    assert f"resuming after step {saved}" in done.stdout
    rows = (journey.run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == list(range(1, STEPS + 1))


def test_the_weights_are_those_of_one_process_without_a_cluster(journey):
    local = journey.done["local"]
    assert local.returncode == 0, local.stderr
    assert theta_of(journey.done["again"].stdout) == theta_of(local.stdout)


def test_the_actors_were_on_both_workers_and_not_on_the_head(journey):
    result = asked(journey, "/api/v0/actors?limit=1000&detail=1")
    actors = [actor for actor in result if actor["class_name"] == "BlockActor"]
    nodes = asked(journey, "/api/v0/nodes?limit=10&detail=1")
    workers = {node["node_id"] for node in nodes if not node["is_head_node"]}
    assert len(workers) == 2
    assert {actor["node_id"] for actor in actors} == workers
    # One of the first attempt, when there was one node, and two of the second; an evaluation and a
    # trial have none.
    assert len(actors) == 3
    assert "running in 2 Ray actors" in journey.done["again"].stdout


def test_an_evaluation_is_a_job_too_and_gives_the_scores_of_the_run_again(journey):
    job = journey.done["evaluate"]
    assert job.returncode == 0, job.stdout
    assert len(scores(job.stdout)) == 4
    assert scores(job.stdout) == scores(journey.done["again"].stdout)


def test_what_was_fetched_is_whole(journey):
    done = journey.done["fetched"]
    assert done.returncode == 0, done.stdout + done.stderr
    folder = journey.code / "fetched" / "checkpoints" / f"ckpt-{STEPS:08d}"
    theta = json.loads((folder / "manifest.json").read_text())["theta_sha256"]
    assert theta == theta_of(journey.done["local"].stdout)


def test_a_job_ends_submit_with_the_exit_code_of_its_command(journey):
    done = journey.done["refused"]
    assert done.returncode == 2
    assert "already holds a run" in done.stdout


def test_the_log_is_plain_and_has_no_chatter_of_rays(journey):
    log = journey.done["again"].stdout
    assert "\x1b" not in log
    assert "\r" not in log
    chatter = re.compile(r"tensorflow/|absl|WARNING|oneDNN|cuda|raylet|Connecting to existing Ray")
    assert not chatter.search(log), log
    assert log.count("job_manager.py") <= 1


def test_status_and_list_tell_how_it_ended(journey):
    status = journey.done["status"].stdout
    assert "status: SUCCEEDED" in status
    assert "exit code: 0" in status
    assert f"progress: step {STEPS}/{STEPS}" in status
    rows = {row.split()[0]: row for row in journey.done["list"].stdout.splitlines()[1:]}
    assert len(rows) == 5
    assert "STOPPED" in rows[journey.id]
    assert "SUCCEEDED" in rows[f"{journey.id}-2"]
    assert sum("FAILED 2" in row for row in rows.values()) == 1


def scores(output: str) -> list[str]:
    """Find the table's rows, and the hash of the tested weights, which is printed first."""
    return re.findall(r"│.*│", output) + re.findall(r"sha256 ([0-9a-f]{64})", output)[:1]


def asked(journey: Journey, path: str) -> list[dict]:
    with urllib.request.urlopen(journey.address + path, timeout=60) as answer:
        return json.load(answer)["data"]["result"]["result"]


def test_a_sweep_is_a_job_too_and_its_trial_is_a_run_of_the_users_model(journey):
    tuned = journey.done["tune"]
    assert tuned.returncode == 0, tuned.stdout + tuned.stderr
    assert "must be a folder that every machine of the cluster can write to" in tuned.stderr
    folder = journey.home / "rates"
    result = pq.read_table(folder / "sweep.parquet").to_pylist()
    assert [(row["status"], row["step"]) for row in result] == [("finished", 20)]
    config = tomllib.loads((folder / result[0]["run"] / "config.toml").read_text())
    assert config["algorithm"]["inner_lr"] == 0.02  # small.toml has another
    assert config["model"]["source"] == "my_models:small"
    assert (folder / "best.toml").is_file()
