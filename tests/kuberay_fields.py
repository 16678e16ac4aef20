"""The fields of KubeRay's RayCluster and RayJob, and a check against them that knows no others.

Source: the API reference of KubeRay v1.7.0,
https://github.com/ray-project/kuberay/blob/v1.7.0/docs/reference/api.md; groups of fields that our
manifests have no use for (network policy, TLS, history server, Redis) are left out, and so refused.
What KubeRay takes from Kubernetes is checked by the schemas of Kubernetes' own API in
`kubernetes-validate`, strictly: a field that the API does not have is refused at any depth.
"""

from typing import Any

import kubernetes_validate

KUBERNETES = "1.37"

# A field's type: a scalar's name, "map" of strings, a tuple of allowed values, a list of one type,
# a type of this table, or "k8s:" and a type of Kubernetes.
FIELDS: dict[str, dict[str, Any]] = {
    "RayCluster": {
        "apiVersion": ("ray.io/v1",),
        "kind": ("RayCluster",),
        "metadata": "k8s:ObjectMeta",
        "spec": "RayClusterSpec",
    },
    "RayJob": {
        "apiVersion": ("ray.io/v1",),
        "kind": ("RayJob",),
        "metadata": "k8s:ObjectMeta",
        "spec": "RayJobSpec",
    },
    "RayJobSpec": {
        "activeDeadlineSeconds": "integer",
        "backoffLimit": "integer",
        "clusterSelector": "map",
        "entrypoint": "string",
        "entrypointNumCpus": "number",
        "entrypointNumGpus": "number",
        "entrypointResources": "string",
        "jobId": "string",
        "managedBy": ("ray.io/kuberay-operator", "kueue.x-k8s.io/multikueue"),
        "metadata": "map",
        "preRunningDeadlineSeconds": "integer",
        "rayClusterSpec": "RayClusterSpec",
        "runtimeEnvYAML": "string",
        "shutdownAfterJobFinishes": "boolean",
        "submissionMode": ("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"),
        "submitterConfig": "SubmitterConfig",
        "submitterPodTemplate": "k8s:PodTemplateSpec",
        "suspend": "boolean",
        "ttlSecondsAfterFinished": "integer",
    },
    "SubmitterConfig": {"backoffLimit": "integer"},
    "RayClusterSpec": {
        "authOptions": "AuthOptions",
        "autoscalerOptions": "AutoscalerOptions",
        "enableInTreeAutoscaling": "boolean",
        "headGroupSpec": "HeadGroupSpec",
        "headServiceAnnotations": "map",
        "managedBy": ("ray.io/kuberay-operator", "kueue.x-k8s.io/multikueue"),
        "rayVersion": "string",
        "suspend": "boolean",
        "upgradeStrategy": "RayClusterUpgradeStrategy",
        "workerGroupSpecs": ["WorkerGroupSpec"],
    },
    "RayClusterUpgradeStrategy": {"type": ("Recreate", "None")},
    "AuthOptions": {
        "enableK8sTokenAuth": "boolean",
        "mode": ("disabled", "token"),
        "secretName": "string",
    },
    "AutoscalerOptions": {
        "args": ["string"],
        "command": ["string"],
        "env": "k8s:Container.env",
        "envFrom": "k8s:Container.envFrom",
        "idleTimeoutSeconds": "integer",
        "image": "string",
        "imagePullPolicy": "k8s:Container.imagePullPolicy",
        "resources": "k8s:Container.resources",
        "securityContext": "k8s:Container.securityContext",
        "upscalingMode": ("Default", "Aggressive", "Conservative"),
        "version": ("v1", "v2"),
        "volumeMounts": "k8s:Container.volumeMounts",
    },
    "HeadGroupSpec": {
        "enableIngress": "boolean",
        "labels": "map",
        "rayStartParams": "map",
        "resources": "map",
        "serviceType": ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
        "template": "k8s:PodTemplateSpec",
    },
    "WorkerGroupSpec": {
        "groupName": "string",
        "idleTimeoutSeconds": "integer",
        "labels": "map",
        "maxReplicas": "integer",
        "minReplicas": "integer",
        "numOfHosts": "integer",
        "priority": "integer",
        "rayStartParams": "map",
        "replicas": "integer",
        "resources": "map",
        "scaleStrategy": "ScaleStrategy",
        "suspend": "boolean",
        "template": "k8s:PodTemplateSpec",
    },
    "ScaleStrategy": {"workersToDelete": ["string"]},
}
# Those without which KubeRay's API server refuses a manifest (raycluster_types.go of that version).
REQUIRED = {
    "RayCluster": {"spec"},
    "RayJob": {"spec"},
    "RayClusterSpec": {"headGroupSpec"},
    "HeadGroupSpec": {"template"},
    "WorkerGroupSpec": {"groupName", "maxReplicas", "minReplicas", "template"},
}
_SCALARS = {"string": str, "integer": int, "number": (int, float), "boolean": bool}


def check(value: Any, kind: Any, path: str = "") -> None:
    """Compare a part of a manifest with its published fields.

    Args:
      value: what the manifest has there. kind: its type, as in `FIELDS`. path: where it is.

    Raises:
      ValueError: names the place of the first field that is unknown, missing, or of another type.
    """
    if isinstance(kind, tuple):
        _require(value in kind, path, f"is {value!r}, allowed are {', '.join(kind)}")
    elif isinstance(kind, list):
        _require(isinstance(value, list), path, "is not a list")
        for index, item in enumerate(value):
            check(item, kind[0], f"{path}[{index}]")
    elif kind.startswith("k8s:"):
        _check_kubernetes(value, kind.removeprefix("k8s:"), path)
    elif kind == "map":
        _require(isinstance(value, dict), path, "is not a map")
        for name, item in value.items():
            check(item, "string", f"{path}.{name}")
    elif kind in _SCALARS:
        right = isinstance(value, _SCALARS[kind]) and isinstance(value, bool) == (kind == "boolean")
        _require(right, path, f"is {value!r}, not a {kind}")
    else:
        _require(isinstance(value, dict), path, f"is not a {kind}")
        missing = sorted(REQUIRED.get(kind, set()) - value.keys())
        _require(not missing, path, f"lacks {', '.join(missing)}")
        for name, item in value.items():
            _require(name in FIELDS[kind], f"{path}.{name}", f"is no field of {kind}")
            check(item, FIELDS[kind][name], f"{path}.{name}")


def _check_kubernetes(value: Any, kind: str, path: str) -> None:
    if kind == "PodTemplateSpec":
        resource = {"kind": "PodTemplate", "template": value}
    elif kind == "ObjectMeta":
        resource = {"kind": "ConfigMap", "metadata": value}
    else:
        container = {"name": "any", kind.removeprefix("Container."): value}
        resource = {"kind": "PodTemplate", "template": {"spec": {"containers": [container]}}}
    try:
        kubernetes_validate.validate({"apiVersion": "v1", **resource}, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        inside = ".".join(map(str, error.path))
        raise ValueError(f"{path}: {inside}: {error.message}") from None


def _require(right: bool, path: str, message: str) -> None:
    if not right:
        raise ValueError(f"{path} {message}")
