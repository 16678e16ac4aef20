"""kubernetes/ against the published fields of KubeRay and Kubernetes, and required settings."""

import copy
import os
import re
import shlex
import tomllib
from importlib.metadata import version

import kubernetes_validate
import pytest
import warm_commands
import yaml
from kuberay_fields import KUBERNETES, check
from manifests import HEALTH_CHECKS, REPOSITORY, SECRETS
from packaging.requirements import Requirement

FOLDER = REPOSITORY / "kubernetes"
KINDS = {"raycluster.yaml": "RayCluster", "rayjob.yaml": "RayJob"}
each_manifest = pytest.mark.parametrize("name", KINDS)


def load(name: str) -> dict:
    return yaml.safe_load((FOLDER / name).read_text())


def cluster(name: str) -> dict:
    """The specification of the Ray cluster in a manifest."""
    spec = load(name)["spec"]
    return spec.get("rayClusterSpec", spec)


def pods(name: str) -> list[dict]:
    """The specifications of all pods of a manifest, the head's first."""
    spec = cluster(name)
    templates = [group["template"] for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]]
    submitter = load(name)["spec"].get("submitterPodTemplate")
    return [template["spec"] for template in [*templates, *([submitter] if submitter else [])]]


def head_container(name: str) -> dict:
    (container,) = pods(name)[0]["containers"]
    return container


@each_manifest
def test_a_manifest_has_published_fields_alone(name):
    check(load(name), KINDS[name], name)


def test_the_service_account_follows_kubernetes_schema():
    kubernetes_validate.validate(load("serviceaccount.yaml"), KUBERNETES, strict=True)


HEAD = ("spec", "rayClusterSpec", "headGroupSpec")
CONTAINER = (*HEAD, "template", "spec", "containers", 0)


@pytest.mark.parametrize(
    "place",
    [
        (),
        ("metadata",),
        ("spec",),
        ("spec", "submitterPodTemplate", "spec"),
        ("spec", "rayClusterSpec"),
        ("spec", "rayClusterSpec", "authOptions"),
        ("spec", "rayClusterSpec", "autoscalerOptions"),
        ("spec", "rayClusterSpec", "autoscalerOptions", "securityContext"),
        ("spec", "rayClusterSpec", "workerGroupSpecs", 1),
        HEAD,
        CONTAINER,
        (*CONTAINER, "env", 0),
        (*CONTAINER, "resources"),
        (*CONTAINER, "lifecycle", "preStop"),
    ],
    ids=lambda place: ".".join(map(str, place)) or "top",
)
def test_a_misspelt_field_is_refused_at_any_depth(place):
    manifest = copy.deepcopy(load("rayjob.yaml"))
    part = manifest
    for step in place:
        part = part[step]
    part["misspelt"] = "x"
    with pytest.raises(ValueError, match="misspelt"):
        check(manifest, "RayJob")


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("spec", "backoffLimit"), "3"),
        (("spec", "submissionMode"), "K8SJobMode"),
        (("spec", "shutdownAfterJobFinishes"), 1),
        (("spec", "rayClusterSpec", "workerGroupSpecs"), {}),
        ((*HEAD, "rayStartParams", "num-cpus"), 0),
        ((*CONTAINER, "ports", 0, "containerPort"), "6379"),
    ],
    ids=lambda value: str(value[-1]) if isinstance(value, tuple) else None,
)
def test_a_value_of_the_wrong_type_is_refused(place, wrong):
    manifest = copy.deepcopy(load("rayjob.yaml"))
    part = manifest
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = wrong
    with pytest.raises(ValueError, match=re.escape(str(place[-1]))):
        check(manifest, "RayJob")


def test_a_group_without_pods_is_refused():
    manifest = load("raycluster.yaml")
    del manifest["spec"]["workerGroupSpecs"][0]["template"]
    with pytest.raises(ValueError, match="lacks template"):
        check(manifest, "RayCluster")


def test_a_job_runs_on_the_same_cluster_as_stays():
    assert cluster("rayjob.yaml") == cluster("raycluster.yaml")


@each_manifest
def test_the_head_runs_no_actors_and_checks_health_tightly(name):
    parameters = cluster(name)["headGroupSpec"]["rayStartParams"]
    assert (parameters["num-cpus"], parameters["num-gpus"]) == ("0", "0")
    assert {entry["name"]: entry["value"] for entry in head_container(name)["env"]} == HEALTH_CHECKS


@each_manifest
def test_the_dashboard_asks_for_a_token_and_stays_in_the_cluster(name):
    spec = cluster(name)
    assert spec["authOptions"]["mode"] == "token"
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert "enableIngress" not in spec["headGroupSpec"]


@each_manifest
def test_workers_come_and_go_within_limits(name):
    spec = cluster(name)
    assert spec["enableInTreeAutoscaling"]
    assert spec["autoscalerOptions"]["idleTimeoutSeconds"] > 0
    for group in spec["workerGroupSpecs"]:
        assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"] <= 8


@each_manifest
def test_gpus_are_in_one_group_which_is_empty_when_idle(name):
    groups = [
        group
        for group in cluster(name)["workerGroupSpecs"]
        if "nvidia.com/gpu" in group["template"]["spec"]["containers"][0]["resources"]["limits"]
    ]
    assert [(group["groupName"], group["minReplicas"]) for group in groups] == [("gpu", 0)]
    assert groups[0]["template"]["spec"]["containers"][0]["image"].endswith("-gpu")


@each_manifest
def test_pods_ask_for_what_they_may_use_and_run_without_privileges(name):
    for pod in pods(name):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["restartPolicy"] == "Never"
        (container,) = pod["containers"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }


@each_manifest
def test_head_and_workers_say_which_processor_they_need(name):
    spec = cluster(name)
    for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
        assert "node.kubernetes.io/instance-type" in group["template"]["spec"]["nodeSelector"]


@each_manifest
def test_the_driver_alone_has_an_account(name):
    head, *others = pods(name)
    assert head["serviceAccountName"] == load("serviceaccount.yaml")["metadata"]["name"]
    assert all("serviceAccountName" not in pod for pod in others)
    assert all(pod["automountServiceAccountToken"] is False for pod in others)


@pytest.mark.parametrize("file", sorted(FOLDER.iterdir()), ids=lambda file: file.name)
def test_a_file_holds_no_secret(file):
    assert not SECRETS.search(file.read_text())


@pytest.mark.parametrize(
    "secret",
    [
        "RAY_AUTH_TOKEN: x",
        "RAY_AUTH_TOKEN=x",
        "AWS_SECRET_ACCESS_KEY: x",
        "AKIA" + "A" * 16,
        "a1" * 32,
        "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    ],
)
def test_a_secret_would_be_noticed(secret):
    assert SECRETS.search(f"before\n  {secret}\nafter")


def test_a_retry_of_the_job_is_a_resume_into_the_same_folder():
    spec = load("rayjob.yaml")["spec"]
    command = shlex.split(spec["entrypoint"])
    assert command[:2] == ["metatrain", "train"]
    assert "--resume" in command
    assert "--workers" not in command  # all that join are taken
    assert command[command.index("--out") + 1].startswith("s3://")
    assert spec["backoffLimit"] > 0


@pytest.mark.slow
def test_the_jobs_command_starts_in_an_empty_folder_and_goes_on_in_a_full_one(tmp_path):
    """Return the entrypoint, shortened, with a local folder in place of the bucket."""
    _, *options = shlex.split(load("rayjob.yaml")["spec"]["entrypoint"])
    options[options.index("--out") + 1] = str(tmp_path / "run")
    few = ["--set", "evaluation.tasks=4", "--set", "evaluation.validation_tasks=4"]
    few += ["--set", "runtime.xla=false"]
    message = []
    for steps in (2, 3):
        words = [*options, "--workers", "0", *few, "--set", f"outer.steps={steps}"]
        done = warm_commands.run(REPOSITORY, *words, environment=os.environ, draws=False)
        assert done.returncode == 0, done.stderr
        message.append(done.stdout + done.stderr)
    assert "starting afresh" in message[0]
    assert "starting afresh" not in message[1]
    assert "step 3: sha256" in message[1]


def test_the_jobs_cluster_ends_with_it():
    spec = load("rayjob.yaml")["spec"]
    assert spec["shutdownAfterJobFinishes"]
    assert 0 < spec["ttlSecondsAfterFinished"] <= 3600
    assert spec["submissionMode"] == "K8sJobMode"


@each_manifest
def test_a_head_that_must_go_tells_the_driver_first(name):
    (_, _, script) = head_container(name)["lifecycle"]["preStop"]["exec"]["command"]
    assert "kill -TERM $drivers" in script
    assert pods(name)[0]["terminationGracePeriodSeconds"] >= 60


def test_images_have_the_versions_of_the_project():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    ray = next(need for need in project["dependencies"] if need.startswith("ray["))
    allowed = Requirement(ray).specifier
    python = "py" + re.search(r">=([\d.]+)", project["requires-python"])[1].replace(".", "")
    dockerfile = (FOLDER / "Dockerfile").read_text()
    base = re.search(r"^FROM rayproject/ray:([\d.]+)-(py\d+)-cpu", dockerfile, re.MULTILINE)
    assert base[1] in allowed
    assert base[2] == python
    assert f"'ray[default,train,tune]=={base[1]}'" in dockerfile
    tag = f"metatrain:{project['version']}-ray{base[1]}-{base[2]}"
    text = "".join(file.read_text() for file in FOLDER.iterdir())
    assert set(re.findall(r"metatrain:[\w.-]+", text)) == {tag, f"{tag}-gpu"}
    assert {cluster(name)["rayVersion"] for name in KINDS} == {base[1]}
    lower = next(bound.version for bound in allowed if bound.operator == ">=")
    tested = {base[1], lower}  # the latter by .ci/oldest.sh
    assert version("ray").split(".")[:2] in [name.split(".")[:2] for name in tested]
