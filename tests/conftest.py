"""One TensorFlow with one thread for the whole process, and a Ray folder of its own."""

import gc
import os
import shutil
import sys
import tempfile

import hypothesis
import pytest
from left_out import LeftOut

pytest_plugins = ["file_order"]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The same examples at each run, however long a busy machine takes for one; nothing is kept.
hypothesis.settings.register_profile("ours", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ours")


def pytest_configure(config):
    config.pluginmanager.register(LeftOut(), "left-out")
    # Unix sockets below Ray's folder allow 107 characters in all, so it is short; Ray wants ray/.
    folder = tempfile.mkdtemp(prefix="mt", dir="/tmp")
    os.mkdir(os.path.join(folder, "ray"))
    config.ray_folder = folder
    os.environ["RAY_TMPDIR"] = folder
    # Whatever the developer's own keras.json says.
    os.environ["KERAS_HOME"] = folder
    os.environ["KERAS_BACKEND"] = "tensorflow"


def pytest_unconfigure(config):
    shutil.rmtree(config.ray_folder, ignore_errors=True)


def pytest_collection_finish(session):
    """Set up before the first test: processes to fork from, and TensorFlow's threads.

    The threads are fixed before the first operation, if a collected module imported TensorFlow.

    A test module that needs TensorFlow imports it at its top, and computes nothing there; the
    other modules stay fast when they are run alone.
    """
    if session.config.option.collectonly:
        return
    if any(item.get_closest_marker("ray") for item in session.items):
        import warm_workers

        warm_workers.prepare()
        warm_workers.use()
    if "warm_commands" in sys.modules:
        sys.modules["warm_commands"].prepare()
    if "tensorflow" in sys.modules:
        from workers.execution.runtime import start_tensorflow

        start_tensorflow(0)
        _leave_out_of_collections()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    result = yield
    if nextitem is not None and nextitem.path != item.path:
        _leave_out_of_collections()
    return result


def _leave_out_of_collections():
    """Exempt existing objects from garbage collection.

    TensorFlow's objects are hundreds of thousands, and each graph that a file leaves to the next
    ones adds some. Trials and sweeps collect garbage often: without this they took twice as long.
    """
    gc.collect()
    gc.freeze()
