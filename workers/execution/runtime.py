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

from workers.execution.kernels import chosen_kernels
from workers.wire.errors import MetatrainError

NUM_THREADS = 1
#: Where theta is drawn and updated, so that its bits do not depend on who has a GPU.
DRIVER_DEVICE = "/CPU:0"
_BACKEND, _TENSORFLOW = "KERAS_BACKEND", "tensorflow"
#: What Keras imports where it is installed, for plots and for data frames that a user trains on.
_OPTIONAL = ("IPython", "matplotlib", "pandas")
_process = {"is_ours": False}
#: Names in the fingerprint that are not what the user knows them by.
_VARIABLES = {"onednn": "TF_ENABLE_ONEDNN_OPTS"}


def start_tensorflow(gpus: float, verbose: bool = False) -> None:
    """Fix threads, devices and determinism. Idempotent; must come before the first operation.

    Args:
      gpus: 0 hides every GPU from this process; otherwise what Ray assigned is used, with
        memory growth and deterministic kernels.
      verbose: let TensorFlow's start-up messages through.
    Raises:
      ValueError: Keras runs, or is to run, on something else than TensorFlow, or cannot start.
      MetatrainError: TensorFlow already runs here with other threads or options, or no GPU is
        visible.
    """
    refuse_other_backend()
    with contextlib.nullcontext() if verbose else _silent():
        tf = _import_tensorflow()
        _refuse_options(tf)
        _configure(tf, gpus)
        tf.constant(0)
    if gpus:
        if not tf.config.list_physical_devices("GPU"):
            raise MetatrainError(
                f"workers.gpus = {gpus:g}, but TensorFlow sees no GPU in this process; "
                "set workers.gpus = 0 or install a driver and tensorflow[and-cuda]"
            )
        tf.config.experimental.enable_op_determinism()


def own_process() -> None:
    """Say that no program but ours runs in this process: an actor, a trial or the command line.

    Keras is then imported without `_OPTIONAL`, which takes a quarter less time
    (benchmarks/RESULTS.md). A user's model that imports these packages itself has them; Keras' own
    plots, and `fit` on a data frame, are not there.
    """
    _process["is_ours"] = True


@contextlib.contextmanager
def _without(packages: tuple[str, ...]) -> Iterator[None]:
    """Have imports of these packages fail, if nobody has imported them yet."""
    absent = [name for name in packages if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # as the import system documents it
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def refuse_other_backend() -> None:
    """Look at what Keras is told to compute with, without importing it.

    Raises:
      ValueError: it is not TensorFlow.
    """
    asked = os.environ.get(_BACKEND) or _TENSORFLOW
    if asked != _TENSORFLOW:
        raise ValueError(
            f"{_BACKEND} = {asked!r} in the environment, but metatrain computes with TensorFlow; "
            f"unset {_BACKEND}, or set it to {_TENSORFLOW!r}"
        )


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


def _import_tensorflow() -> Any:
    """TensorFlow, and Keras on it whatever keras.json says.

    What else that says counts nowhere: see models/keras_defaults.py.

    Raises:
      ValueError: Keras cannot be imported as it is configured, or runs on something else.
    """
    before = os.environ.get(_BACKEND)
    os.environ[_BACKEND] = _TENSORFLOW
    try:
        with _without(_OPTIONAL if _process["is_ours"] else ()):
            import keras  # before TensorFlow, which would import it with a message of its own
            import tensorflow as tf
    except ModuleNotFoundError:  # not of Keras' configuration
        raise
    # Whatever Keras makes of a keras.json or a variable of its own that is not as it should be.
    except (ValueError, AssertionError, AttributeError, TypeError, OSError, ImportError) as error:
        home = os.environ.get("KERAS_HOME", "~/.keras")
        raise ValueError(
            f"Keras does not start as it is configured ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}); mend or remove {home}/keras.json, and unset "
            "the environment's variables KERAS_..."
        ) from error
    finally:
        os.environ.pop(_BACKEND)
        if before is not None:
            os.environ[_BACKEND] = before
    if keras.backend.backend() != _TENSORFLOW:
        raise ValueError(
            f"Keras computes with {keras.backend.backend()!r} in this process, and cannot be "
            "changed any more, but metatrain computes with TensorFlow; start metatrain in a "
            f"process that sets {_BACKEND} = {_TENSORFLOW!r} before it imports Keras"
        )
    return tf


def _refuse_options(tf: Any) -> None:
    """Options that a script set before us, which rewrite every graph.

    Raises:
      MetatrainError: names the call.
    """
    options = tf.config.optimizer.get_experimental_options()
    set_on = {name: value for name, value in options.items() if value}
    calls = {
        f"tf.config.optimizer.set_jit({tf.config.optimizer.get_jit()!r})": (
            tf.config.optimizer.get_jit()
        ),
        f"tf.config.optimizer.set_experimental_options({set_on})": set_on,
        "tf.config.run_functions_eagerly(True)": tf.config.functions_run_eagerly(),
    }
    if made := [call for call, was_made in calls.items() if was_made]:
        raise MetatrainError(
            f"{' and '.join(made)} in this process changes what metatrain computes; leave it out, "
            "or start metatrain in a process of its own"
        )


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
        **_tf32(tf),
        # Those that are not set are left out, as in checkpoints of before they were recorded.
        **chosen_kernels(os.environ),
    }


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Names and both values of what differs; empty if the bits will be equal."""
    return [
        f"{_VARIABLES.get(name, name)}: {_told(ours, name)} here, {_told(theirs, name)} there"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def _told(fingerprint: dict[str, Any], name: str) -> str:
    return repr(fingerprint[name]) if name in fingerprint else "not set"


def _tf32(tf: Any) -> dict[str, bool]:
    """Whether a GPU may round to 19 bits: said where a script has forbidden it."""
    may = not tf.config.get_visible_devices("GPU")
    may = may or tf.config.experimental.tensor_float_32_execution_enabled()
    return {} if may else {"tensor_float_32": False}


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
