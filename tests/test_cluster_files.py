"""cluster.yaml and cluster.aws.yaml against Ray's own rules for the cluster launcher."""

import json
import os
import re
import subprocess
from pathlib import Path

import boto3
import botocore.exceptions
import jsonschema
import moto
import moto.settings
import pytest
import yaml
from manifests import HEALTH_CHECKS, REPOSITORY, SECRETS

FILES = sorted(REPOSITORY.glob("cluster*.yaml"))
each_file = pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])


def load(file: Path) -> dict:
    return yaml.safe_load(file.read_text())


def prepared(config: dict) -> dict:
    """Fill in defaults and merge set-up commands, as the launcher does."""
    from ray.autoscaler._private.util import prepare_config

    return prepare_config(config)


@pytest.fixture(scope="module")
def on_aws(tmp_path_factory):
    """Prepare the file as `ray up` does before it starts machines, on a simulated AWS."""
    from ray.autoscaler._private.aws import utils
    from ray.autoscaler._private.commands import _bootstrap_config

    with pytest.MonkeyPatch.context() as patch, moto.mock_aws():
        # A store of other tests in this process may have switched moto's checks of keys on.
        patch.setattr(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", float("inf"))
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(name, "testing")
        for cached in (utils.resource_cache, utils.client_cache):
            cached.cache_clear()
        boto3.client("iam").create_instance_profile(InstanceProfileName="metatrain-head")
        yield _bootstrap_config(load(REPOSITORY / "cluster.aws.yaml"), no_config_cache=True)
    for cached in (utils.resource_cache, utils.client_cache):
        cached.cache_clear()


def test_there_is_a_file_for_own_machines_and_one_for_a_cloud():
    assert [file.name for file in FILES] == ["cluster.aws.yaml", "cluster.yaml"]


@each_file
def test_a_cluster_file_follows_rays_schema(file):
    import ray.autoscaler

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(load(file))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**load(file), "setup_command": []})


@each_file
def test_rays_launcher_accepts_a_cluster_file(file):
    from ray.autoscaler._private.util import validate_config

    validate_config(prepared(load(file)))


@each_file
def test_the_dashboard_stays_on_the_heads_loopback_address(file):
    assert "--dashboard-host=127.0.0.1" in load(file)["head_start_ray_commands"][-1].split()
    assert "0.0.0.0" not in file.read_text()


@each_file
def test_the_head_runs_no_actors(file):
    start = load(file)["head_start_ray_commands"][-1].split()
    assert {"--num-cpus=0", "--num-gpus=0"} <= set(start)


@each_file
def test_the_head_has_tight_health_checks(file):
    start = load(file)["head_start_ray_commands"][-1]
    assert dict(re.findall(r"(RAY_health_check_\w+)=(\S+)", start)) == HEALTH_CHECKS


@each_file
def test_every_machine_starts_with_the_mounted_token_or_not_at_all(file):
    config = load(file)
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    for role in ("head", "worker"):
        assert re.search(
            r"RAY_AUTH_MODE=token .*ray start", config[f"{role}_start_ray_commands"][-1]
        )
    assert config["setup_commands"][0] == "chmod 600 ~/.ray/auth_token"


@each_file
def test_a_cluster_file_holds_no_secret(file):
    assert not SECRETS.search(file.read_text())


@each_file
def test_ray_and_metatrain_are_found_by_name_in_the_launchers_shells(file, tmp_path):
    """The set-up's line for ~/.bashrc, run twice, adds one line; the environment comes first."""
    line = next(command for command in load(file)["setup_commands"] if ".bashrc" in command)
    folder = tmp_path / "metatrain" / "bin"
    folder.mkdir(parents=True)
    (folder / "ray").write_text("#!/bin/sh\necho $RAY_AUTH_MODE\n")
    (folder / "ray").chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    for command in (line, line, "source ~/.bashrc; ray"):
        done = subprocess.run(
            ["bash", "-c", command], env=environment, capture_output=True, text=True, check=True
        )
    assert done.stdout == "token\n"
    assert (tmp_path / ".bashrc").read_text().count("\n") == 1


@each_file
def test_workers_take_the_versions_of_the_head(file):
    config = prepared(load(file))
    (versions,) = config["cluster_synced_files"]
    assert config["head_setup_commands"][-1].endswith(
        f"pip freeze --exclude metatrain > {versions}"
    )
    installs = [line for line in config["worker_setup_commands"] if "pip install" in line]
    assert installs
    assert all(f"-c {versions}" in line for line in installs)


@each_file
def test_commands_use_the_wheel_that_is_mounted(file):
    config = load(file)
    assert config["file_mounts"]["~/metatrain-wheel"] == "dist"
    assert "~/metatrain-wheel/metatrain-*.whl" in " ".join(config["setup_commands"])
    assert "pip wheel --no-deps -w dist ." in file.read_text()


def test_own_machines_all_join_and_stay():
    """With Ray's newer autoscaler, which also counts the head, the last machine never joined."""
    config = load(REPOSITORY / "cluster.yaml")
    (node,) = prepared(config)["available_node_types"].values()
    assert node["min_workers"] == node["max_workers"] == len(config["provider"]["worker_ips"])
    assert "RAY_enable_autoscaler_v2=0" in config["head_start_ray_commands"][-1].split()


def test_on_aws_the_head_offers_nothing_and_workers_come_on_demand():
    config = load(REPOSITORY / "cluster.aws.yaml")
    head, worker = config["available_node_types"]["head"], config["available_node_types"]["worker"]
    assert config["head_node_type"] == "head"
    assert head["resources"] == {"CPU": 0, "GPU": 0}
    assert (head["min_workers"], head["max_workers"]) == (0, 0)
    assert (worker["min_workers"], worker["max_workers"]) == (0, config["max_workers"])
    assert config["idle_timeout_minutes"] > 0


def test_on_aws_workers_are_spot_instances_of_one_type_and_the_head_is_not():
    types = load(REPOSITORY / "cluster.aws.yaml")["available_node_types"]
    assert types.keys() == {"head", "worker"}
    assert types["worker"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in types["head"]["node_config"]


def test_on_aws_the_head_alone_has_a_role_and_head_and_workers_one_image():
    types = load(REPOSITORY / "cluster.aws.yaml")["available_node_types"]
    head, worker = (types[name]["node_config"] for name in ("head", "worker"))
    assert "IamInstanceProfile" in head
    assert "IamInstanceProfile" not in worker
    assert head["ImageId"] == worker["ImageId"]


def test_on_aws_the_head_can_start_machines():
    """Ray's own default set-up installs boto3, which the file's replaces."""
    commands = load(REPOSITORY / "cluster.aws.yaml")["head_setup_commands"]
    assert any("pip install -q boto3" in command for command in commands)


@pytest.mark.slow
def test_ray_up_finds_keys_networks_and_resources_on_a_simulated_aws(on_aws):
    head, worker = (on_aws["available_node_types"][name] for name in ("head", "worker"))
    assert Path(on_aws["auth"]["ssh_private_key"]).stat().st_mode & 0o777 == 0o600
    assert worker["node_config"]["KeyName"] in on_aws["auth"]["ssh_private_key"]
    assert worker["node_config"]["SubnetIds"]
    assert (worker["resources"]["CPU"], worker["resources"]["GPU"]) == (4, 1)
    assert (head["resources"]["CPU"], head["resources"]["GPU"]) == (0, 0)


@pytest.mark.slow
def test_on_aws_nothing_but_ssh_comes_in_from_outside(on_aws):
    (group,) = on_aws["available_node_types"]["head"]["node_config"]["SecurityGroupIds"]
    permissions = boto3.resource("ec2", "us-west-2").SecurityGroup(group).ip_permissions
    assert [rule["FromPort"] for rule in permissions if rule["IpRanges"]] == [22]


def started(config: dict, name: str, **changes: dict) -> dict:
    """Start a machine of type `name` on the simulated AWS, and return its description."""
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    node = {**config["available_node_types"][name]["node_config"], **changes}
    created = provider.create_node(node, {}, 1)
    client = boto3.client("ec2", config["provider"]["region"])
    answer = client.describe_instances(InstanceIds=list(created))
    return answer["Reservations"][0]["Instances"][0]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "lifecycle"), [("head", None), ("worker", "spot")])
def test_a_simulated_aws_starts_each_machine_as_the_file_says(on_aws, name, lifecycle):
    instance = started(on_aws, name)
    node = on_aws["available_node_types"][name]["node_config"]
    assert instance["InstanceType"] == node["InstanceType"]
    assert instance.get("InstanceLifecycle") == lifecycle
    assert {"Key": "project", "Value": "metatrain"} in instance["Tags"]
    assert ("IamInstanceProfile" in instance) == (name == "head")


@pytest.mark.slow
def test_a_field_that_aws_does_not_know_is_refused(on_aws):
    with pytest.raises(botocore.exceptions.ParamValidationError, match="HttpToken"):
        started(on_aws, "worker", MetadataOptions={"HttpToken": "required"})


def test_both_files_set_machines_up_and_start_them_alike():
    own, cloud = (load(REPOSITORY / name) for name in ("cluster.yaml", "cluster.aws.yaml"))
    assert own["worker_start_ray_commands"] == cloud["worker_start_ray_commands"]
    assert own["file_mounts"] == cloud["file_mounts"]
    assert own["setup_commands"][2:] == cloud["setup_commands"][2:]
    assert own["cluster_synced_files"] == cloud["cluster_synced_files"]
    for config in (own, cloud):
        assert config["head_start_ray_commands"][0] == "ray stop"
        assert (
            "--autoscaling-config=~/ray_bootstrap_config.yaml"
            in (config["head_start_ray_commands"][-1])
        )
