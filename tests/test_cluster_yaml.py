"""cluster.yaml against Ray's own rules for the cluster launcher."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def cluster():
    return yaml.safe_load((REPOSITORY / "cluster.yaml").read_text())


def test_cluster_yaml_follows_rays_schema(cluster):
    import ray.autoscaler

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(cluster)


def test_the_schema_would_notice_a_key_that_ray_does_not_know(cluster):
    import ray.autoscaler

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**cluster, "setup_command": []})


def test_rays_launcher_accepts_cluster_yaml(cluster):
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(cluster)
    validate_config(prepared)
    assert prepared["max_workers"] == len(cluster["provider"]["worker_ips"])


def test_the_dashboard_stays_on_the_heads_loopback_address(cluster):
    head = " ".join(cluster["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in head
    assert "0.0.0.0" not in json.dumps(cluster)


def test_the_head_runs_no_actors(cluster):
    assert "--num-cpus=0" in " ".join(cluster["head_start_ray_commands"])
