"""What a service does to a cluster if it does not start, without Ray."""

import pytest
import serve_extra  # noqa: F401  skips what needs it

from orchestrator.run.signals import Interrupted
from orchestrator.serve.limits import Limits
from orchestrator.serve.on_ray import ray_server
from orchestrator.serve.on_ray.ray_server import ServerOptions, serving
from orchestrator.serve.on_ray.replica import ReplicaSettings
from workers.wire.protocol import Recipe


@pytest.mark.parametrize("error", [TimeoutError("no proxy"), Interrupted()])
@pytest.mark.parametrize("step", ["_start", "_deploy"])
def test_a_start_that_fails_leaves_no_controller_on_the_cluster(step, error, monkeypatch):
    done = []

    def fail(*_):
        raise error

    for name in ("start_ray", "_refuse_other_service", "check_cpus", "_start", "_deploy"):
        monkeypatch.setattr(ray_server, name, lambda *_: None)
    monkeypatch.setattr(ray_server, step, fail)
    monkeypatch.setattr(ray_server, "start_store", lambda *_: object())
    monkeypatch.setattr(ray_server.PackedArtefact, "of", lambda source: source)
    monkeypatch.setattr(ray_server.ray, "cluster_resources", dict)
    monkeypatch.setattr(ray_server.ray, "shutdown", lambda: done.append("ray"))
    monkeypatch.setattr(ray_server.serve, "delete", lambda name: done.append("delete"))
    monkeypatch.setattr(ray_server.serve, "shutdown", lambda: done.append("serve"))
    settings = ReplicaSettings(Recipe(0.1, 1), Limits())
    with pytest.raises(type(error)), serving(None, settings, ServerOptions("127.0.0.1", 1, 1)):
        raise AssertionError("it serves")
    assert done == ["delete", "serve", "ray"]
