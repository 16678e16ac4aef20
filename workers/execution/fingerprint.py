"""The fingerprint: everything besides the mathematics that decides bits, recorded and compared."""

import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from workers.execution import isa
from workers.execution.kernels import chosen_kernels
from workers.execution.probe import is_probe, probe
from workers.execution.processor import all_features, instruction_sets
from workers.user_code.code_digest import agree

#: The name of a hash of all features of the processor, in fingerprints of older versions.
_OLDER = "cpu_features"
#: Names in the fingerprint for which users know another one.
_VARIABLES = {"onednn": "TF_ENABLE_ONEDNN_OPTS"}


def fingerprint(
    data_digest: str,
    model_digest: str = "",
    loss_digest: str = "",
    further: Mapping[str, str] = MappingProxyType({}),
    probed: bool = True,
) -> dict[str, Any]:
    """Describe all that must be equal between driver and actors for their bits to be equal.

    Args:
      data_digest: sha256 of the task family's data; "" if the data are generated.
      model_digest: sha256 of a user's model; "" if the configuration describes all of it.
      loss_digest: sha256 of the modules of a user's loss and metrics; likewise.
      further: name -> sha256 of what else the tasks depend on, see `digests_of`.
      probed: compute the probes, in about 0.3 s; False where nothing is compared with another
        process.
    """
    import tensorflow as tf

    threading = tf.config.threading
    return {
        "python": ".".join(map(str, sys.version_info[:2])),
        "tensorflow": tf.__version__,
        "keras": version("keras"),
        "numpy": version("numpy"),
        "machine": platform.machine(),
        "instruction_sets": isa.in_force(os.environ) or instruction_sets(),
        **(probe() if probed else {}),
        "threads": [
            threading.get_intra_op_parallelism_threads(),
            threading.get_inter_op_parallelism_threads(),
        ],
        "onednn": _onednn(),
        "gpus": sorted(
            {
                tf.config.experimental.get_device_details(device).get("device_name", "GPU")
                for device in tf.config.get_visible_devices("GPU")
            }
        ),
        "data": data_digest,
        **({"model": model_digest} if model_digest else {}),
        **({"loss": loss_digest} if loss_digest else {}),
        **further,
        **_tf32(tf),
        # Variables that are not set are left out, as in checkpoints older than this record.
        **chosen_kernels(os.environ),
    }


def differences(ours: dict[str, Any], others: dict[str, Any]) -> list[str]:
    """List the names and both values of what differs; empty if the bits will be equal.

    One of them may be of a version that hashed all features of the processor, and probed nothing.
    """
    if _OLDER in others and _OLDER not in ours:
        ours = _as_older(ours)
    elif _OLDER in ours and _OLDER not in others:
        others = _as_older(others)
    return [
        f"{_VARIABLES.get(name, name)}: {_shown(ours, name)} here, {_shown(others, name)} there"
        for name in sorted(ours.keys() | others.keys())
        if not agree(ours.get(name), others.get(name))
    ]


def _as_older(fingerprint: dict[str, Any]) -> dict[str, Any]:
    """Describe this machine as older versions did; actors like it have been compared with it."""
    kept = {
        name: value
        for name, value in fingerprint.items()
        if name != "instruction_sets" and not is_probe(name)
    }
    return {**kept, _OLDER: all_features()}


def _shown(fingerprint: dict[str, Any], name: str) -> str:
    return repr(fingerprint[name]) if name in fingerprint else "not set"


def _tf32(tf: Any) -> dict[str, bool]:
    """Record whether a GPU may round to 19 bits, if a script has forbidden that."""
    may = not tf.config.get_visible_devices("GPU")
    may = may or tf.config.experimental.tensor_float_32_execution_enabled()
    return {} if may else {"tensor_float_32": False}


def _onednn() -> str:
    return os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default")
