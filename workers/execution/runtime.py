"""The runtime: threads, devices and determinism, set before the first operation."""

import contextlib
import glob
import itertools
import os
import sys
from collections.abc import Iterator
from typing import Any

from workers.wire.errors import MetatrainError

NUM_THREADS = 1
#: Where theta is drawn and updated, so that its bits do not depend on who has a GPU.
DRIVER_DEVICE = "/CPU:0"
_BACKEND, _TENSORFLOW = "KERAS_BACKEND", "tensorflow"
#: Packages that Keras imports if they are installed, for plots and for training on data frames.
_OPTIONAL = ("IPython", "matplotlib", "pandas")
_process = {"is_ours": False, "has_started": False}


def start_tensorflow(gpus: float, verbose: bool = False) -> None:
    """Fix threads, devices and determinism. Idempotent; must come before the first operation.

    Args:
      gpus: 0 hides every GPU from this process; otherwise the process uses the GPUs that Ray
        assigned, with memory growth and deterministic kernels.
      verbose: let TensorFlow's start-up messages through.
    Raises:
      ValueError: Keras runs, or is set to run, on another backend than TensorFlow, or cannot
        start.
      MetatrainError: TensorFlow already runs here with other threads or options, or no GPU is
        visible.
    """
    refuse_other_backend()
    _process["has_started"] = True
    with contextlib.nullcontext() if verbose else silent():
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


def ensure_tensorflow() -> None:
    """Start TensorFlow without GPUs, unless it was started already, whichever way."""
    if not _process["has_started"]:
        start_tensorflow(0)


def own_process() -> None:
    """Declare that this process runs metatrain alone: an actor, a trial or the command line.

    Keras is then imported without the packages of `_OPTIONAL`, which takes a quarter less time
    (benchmarks/RESULTS.md). A user's model can still import these packages itself, but Keras' own
    plots, and `fit` on a data frame, are not available.
    """
    _process["is_ours"] = True


@contextlib.contextmanager
def _without(packages: tuple[str, ...]) -> Iterator[None]:
    """Make imports of these packages fail within, unless they are imported already."""
    absent = [name for name in packages if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # as the import system documents it
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def refuse_other_backend() -> None:
    """Check the backend that Keras is set to use, without importing Keras.

    Raises:
      ValueError: it is not TensorFlow.
    """
    backend = os.environ.get(_BACKEND) or _TENSORFLOW
    if backend != _TENSORFLOW:
        raise ValueError(
            f"{_BACKEND} = {backend!r} in the environment, but metatrain computes with TensorFlow; "
            f"unset {_BACKEND}, or set it to {_TENSORFLOW!r}"
        )


def count_gpus() -> float:
    """Count the visible GPUs of this machine, without starting anything."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = len(glob.glob("/dev/nvidia[0-9]*"))
    if visible is None:
        return count
    # CUDA ignores the first entry that is no device, such as -1, and all that follow.
    listed = itertools.takewhile(
        lambda i: not i.startswith("-"), map(str.strip, visible.split(","))
    )
    return min(count, len([i for i in listed if i]))


def gpus_of_tensorflow() -> list[str]:
    """List the names of the GPUs that TensorFlow finds, hidden from this process or not."""
    import tensorflow as tf

    return [
        tf.config.experimental.get_device_details(device).get("device_name", "a GPU")
        for device in tf.config.list_physical_devices("GPU")
    ]


def _import_tensorflow() -> Any:
    """Import TensorFlow, and Keras with it as the backend, whatever keras.json says.

    Other settings in keras.json have no effect either: see models/keras_defaults.py.

    Raises:
      ValueError: Keras cannot be imported as it is configured, or runs on another backend.
    """
    before = os.environ.get(_BACKEND)
    os.environ[_BACKEND] = _TENSORFLOW
    try:
        with _without(_OPTIONAL if _process["is_ours"] else ()):
            import keras  # before TensorFlow, which would import it and print a message
            import tensorflow as tf
    except ModuleNotFoundError:  # not caused by Keras' configuration
        raise
    # Keras raises any of these for a wrong keras.json or environment variable.
    except (ValueError, AssertionError, AttributeError, TypeError, OSError, ImportError) as error:
        home = os.environ.get("KERAS_HOME", "~/.keras")
        raise ValueError(
            f"Keras does not start as it is configured ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}); fix or remove {home}/keras.json, and unset "
            "the environment variables KERAS_..."
        ) from error
    finally:
        os.environ.pop(_BACKEND)
        if before is not None:
            os.environ[_BACKEND] = before
    if keras.backend.backend() != _TENSORFLOW:
        raise ValueError(
            f"Keras computes with {keras.backend.backend()!r} in this process, and this can no "
            "longer be changed, but metatrain computes with TensorFlow; start metatrain in a "
            f"process that sets {_BACKEND} = {_TENSORFLOW!r} before it imports Keras"
        )
    return tf


def _refuse_options(tf: Any) -> None:
    """Refuse options that a script has set before, and that rewrite every graph.

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
    if calls_made := [call for call, is_set in calls.items() if is_set]:
        raise MetatrainError(
            f"{' and '.join(calls_made)} in this process changes what metatrain computes; leave it "
            "out, or start metatrain in a separate process"
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
def silent() -> Iterator[None]:
    """Redirect file descriptor 2: TensorFlow's libraries write to it before any log level holds."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
