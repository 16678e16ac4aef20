"""The metrics that Prometheus would read from a node during a run."""

import contextlib
import os
import re
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import ray
from small_configs import sinusoid
from small_ray import running_ray

from orchestrator.records.prometheus import NoMetrics, metrics_of
from orchestrator.run.signals import PythonInterrupt
from orchestrator.run.train import train

COUNTED = {
    "outer_steps_total": 30,
    "tasks_total": 30 * 7,
    "outer_step_seconds_count": 30,
}


def test_without_ray_nothing_is_collected():
    assert type(metrics_of("run", ["loss"])) is NoMetrics


@pytest.mark.ray
@pytest.mark.slow
def test_prometheus_finds_a_runs_numbers_and_rays_dashboard_its_actors(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_metrics_report_interval_ms", "500")
    config = sinusoid("outer.steps=30", "workers.count=2", 'name="small"', "checkpoint.every=10")
    with running_ray(num_cpus=2), Prometheus() as prometheus:
        train(config, [], str(tmp_path / "first"), False, False, False, PythonInterrupt())
        samples = prometheus.until_counted()
        names = [actor["Name"] for actor in ray._private.state.actors().values()]
        log = "".join(text_of_actors())
    assert {name: samples[name] for name in COUNTED} == COUNTED
    assert samples["actors"] == 2
    assert samples["outer_step"] in range(1, 31)
    assert samples["tasks_per_second"] > 0
    assert samples["loss_after"] > 0
    assert samples["block_seconds_count"] >= 60
    assert samples["checkpoint_seconds_count"] >= 3
    assert "replaced_actors_total" not in samples
    assert sorted(re.sub("-[0-9a-f]{4}-", "-*-", name) for name in names) == [
        "small-*-actor-0",
        "small-*-actor-1",
    ]
    assert "INFO metatrain: ready: maml on sinusoid" in log


class Prometheus:
    """A reader that polls the node's port, and remembers the last value of each metric.

    A gauge is served only as long as it is set again and again.
    """

    def __enter__(self) -> "Prometheus":
        self._url = f"http://127.0.0.1:{ray.nodes()[0]['MetricsExportPort']}/metrics"
        self._found: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def until_counted(self) -> dict[str, float]:
        """All numbers, once all steps are counted."""
        deadline = time.monotonic() + 60
        while any(self._found.get(name) != value for name, value in COUNTED.items()):
            assert time.monotonic() < deadline, self._found
            time.sleep(0.1)
        return dict(self._found)

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            with contextlib.suppress(OSError), urllib.request.urlopen(self._url) as answer:
                text = answer.read().decode()
                numbers = re.findall(r'^ray_metatrain_(\w+)\{.*run="first".*\} (\S+)$', text, re.M)
                self._found |= {name: float(value) for name, value in numbers}


def text_of_actors() -> list[str]:
    folder = os.path.join(ray._private.worker._global_node.get_session_dir_path(), "logs")
    names = [name for name in os.listdir(folder) if re.match(r"worker-.*\.err", name)]
    return [Path(folder, name).read_text() for name in names]
