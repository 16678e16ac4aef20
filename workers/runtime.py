"""All that decides bits beside the mathematics: set before TensorFlow starts, and recorded."""

import contextlib
import glob
import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from workers.errors import MetatrainError

NUM_THREADS = 1
#: Where theta is drawn and updated, so that its bits do not depend on who has a GPU.
DRIVER_DEVICE = "/CPU:0"


def start_tensorflow(gpus: float, verbose: bool = False) -> None:
    """Fix threads, devices and determinism. Idempotent; must come before the first operation.

    Args:
      gpus: 0 hides every GPU from this process; otherwise what Ray assigned is used, with
        memory growth and deterministic kernels.
      verbose: let TensorFlow's start-up messages through.
    Raises:
      MetatrainError: TensorFlow already runs here with other threads, or no GPU is visible.
    """
    with contextlib.nullcontext() if verbose else _silent():
        import tensorflow as tf

        _configure(tf, gpus)
        tf.constant(0)
    if gpus:
        if not tf.config.list_physical_devices("GPU"):
            raise MetatrainError(
                f"workers.gpus = {gpus:g}, but TensorFlow sees no GPU in this process; "
                "set workers.gpus = 0 or install a driver and tensorflow[and-cuda]"
            )
        tf.config.experimental.enable_op_determinism()


def count_gpus() -> float:
    """GPUs of this machine, without starting anything."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    there = len(glob.glob("/dev/nvidia[0-9]*"))
    return min(there, len([i for i in visible.split(",") if i])) if visible is not None else there


def gpus_of_tensorflow() -> list[str]:
    """Names of the GPUs that TensorFlow sees, hidden from this process or not."""
    import tensorflow as tf

    return [
        tf.config.experimental.get_device_details(device).get("device_name", "a GPU")
        for device in tf.config.list_physical_devices("GPU")
    ]


def _configure(tf: Any, gpus: float) -> None:
    tf.get_logger().setLevel("ERROR")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(NUM_THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(NUM_THREADS)
        if gpus:
            for device in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(device, True)
        else:
            tf.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        raise MetatrainError(
            f"TensorFlow already runs in this process with its own threads or devices ({error}); "
            "import and start metatrain before any TensorFlow operation"
        ) from None


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Send file descriptor 2 away: TensorFlow's libraries greet there before any log level."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def fingerprint(data_digest: str, model_digest: str = "") -> dict[str, Any]:
    """What must be equal between driver and actors for their bits to be equal.

    Args:
      data_digest: sha256 of the task family's data, "" where it is generated.
      model_digest: sha256 of a user's model, "" where the configuration says all of it.
    """
    import tensorflow as tf

    threading = tf.config.threading
    return {
        "python": ".".join(map(str, sys.version_info[:2])),
        "tensorflow": tf.__version__,
        "keras": version("keras"),
        "numpy": version("numpy"),
        "machine": platform.machine(),
        "cpu_features": _cpu_features(),
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
    }


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Names and both values of what differs; empty if the bits will be equal."""
    return [
        f"{name}: {ours.get(name)!r} here, {theirs.get(name)!r} there"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def _cpu_features() -> str:
    """A short hash of the processor's instruction set, which libraries choose their kernels by."""
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            flags = next(line for line in cpuinfo if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return platform.processor()
    names = " ".join(sorted(flags.split(":", 1)[1].split()))
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def _onednn() -> str:
    return os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default")
