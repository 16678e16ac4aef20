"""What Prometheus would read from a node while a run goes on."""

import os
import re
import time
import urllib.request
from pathlib import Path

import pytest
import ray
from small_configs import sinusoid
from small_ray import running_ray

from orchestrator.commands import train_command
from orchestrator.ray_metrics import NoMetrics, metrics_of
from orchestrator.signals import NoSignals

EXPECTED = {
    "outer_steps_total": 30,
    "outer_step": 30,
    "actors": 2,
    "tasks_total": 30 * 7,
    "outer_step_seconds_count": 30,
}


def test_without_ray_nothing_is_collected():
    assert type(metrics_of("run")) is NoMetrics


@pytest.mark.ray
@pytest.mark.slow
def test_prometheus_finds_a_runs_numbers_and_rays_dashboard_its_actors(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_metrics_report_interval_ms", "500")
    config = sinusoid("outer.steps=30", "workers.count=2", 'name="small"', "checkpoint.every=10")
    with running_ray(num_cpus=2):
        train_command.execute(config, [], str(tmp_path / "first"), False, False, False, NoSignals())
        found = scraped()
        names = [actor["Name"] for actor in ray._private.state.actors().values()]
        log = "".join(text_of_actors())
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    assert found["tasks_per_second"] > 0
    assert found["loss_after"] > 0
    assert found["block_seconds_count"] >= 60
    assert found["checkpoint_seconds_count"] >= 3
    assert "replaced_actors_total" not in found
    assert sorted(re.sub("-[0-9a-f]{4}-", "-*-", name) for name in names) == [
        "small-*-actor-0",
        "small-*-actor-1",
    ]
    assert "INFO metatrain: ready: maml on sinusoid" in log


def scraped() -> dict[str, float]:
    """The run's numbers at the node's own port, once all steps are in them."""
    port = ray.nodes()[0]["MetricsExportPort"]
    found: dict[str, float] = {}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
        of_the_run = re.findall(r'^ray_metatrain_(\w+)\{.*run="first".*\} (\S+)$', text, re.M)
        found = {name: float(value) for name, value in of_the_run}
        if all(found.get(name) == value for name, value in EXPECTED.items()):
            return found
        time.sleep(0.5)
    raise AssertionError(f"the last numbers are {found}")


def text_of_actors() -> list[str]:
    folder = os.path.join(ray._private.worker._global_node.get_session_dir_path(), "logs")
    names = [name for name in os.listdir(folder) if re.match(r"worker-.*\.err", name)]
    return [Path(folder, name).read_text() for name in names]
