import json
import logging
import os
import subprocess
import sys

import pytest
import small_families
import tensorflow as tf
import warm_commands

from workers.execution import runtime
from workers.execution.fingerprint import differences, fingerprint
from workers.execution.probe import is_probe
from workers.execution.runtime import start_tensorflow
from workers.wire.errors import MetatrainError


def printed(folder, code, *words, **variables):
    """Run code in a process that has imported but not used TensorFlow; return its output."""
    script = folder / "script.py"
    script.write_text(code)
    environment = {**os.environ, **variables}
    done = warm_commands.run(folder, *words, script=script, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


# Computes before metatrain could set the threads, and then asks for them.
_TOO_LATE = """
import json
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(2)
tf.constant(0)
from workers.wire.errors import MetatrainError
from workers.execution.fingerprint import fingerprint
from workers.execution.runtime import start_tensorflow
theirs = fingerprint("abc")
try:
    start_tensorflow(0)
except MetatrainError as error:
    print(json.dumps([theirs, str(error)]))
"""


def test_tensorflow_runs_on_one_thread_here_and_sees_no_gpu():
    start_tensorflow(0)
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    assert tf.config.threading.get_inter_op_parallelism_threads() == 1
    assert tf.config.get_visible_devices("GPU") == []


def test_standard_error_is_given_back_after_the_start(capfd):
    start_tensorflow(0)
    print("still here", file=sys.stderr)
    assert capfd.readouterr().err == "still here\n"


@pytest.mark.parametrize("backend", ["jax", "torch", "numpy", "openvino", "TensorFlow", "none"])
def test_another_backend_of_keras_is_refused_by_name(monkeypatch, backend):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    for start in (runtime.refuse_other_backend, lambda: start_tensorflow(0)):
        with pytest.raises(ValueError, match=f"^KERAS_BACKEND = '{backend}' in the environment"):
            start()


@pytest.mark.parametrize("backend", [None, "", "tensorflow"])
def test_tensorflow_as_the_backend_needs_no_word(monkeypatch, backend):
    if backend is None:
        monkeypatch.delenv("KERAS_BACKEND")
    else:
        monkeypatch.setenv("KERAS_BACKEND", backend)
    start_tensorflow(0)
    assert os.environ.get("KERAS_BACKEND") == backend


def test_a_process_whose_keras_runs_on_something_else_is_refused(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(ValueError, match="Keras computes with 'jax' in this process"):
        start_tensorflow(0)


OPTIONS = {
    "set_jit": lambda on: tf.config.optimizer.set_jit("autoclustering" if on else ""),
    "set_experimental_options": lambda on: tf.config.optimizer.set_experimental_options(
        {"auto_mixed_precision": on}
    ),
    "run_functions_eagerly": tf.config.run_functions_eagerly,
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_rewrite_graphs_are_refused_by_the_name_of_the_call(name):
    OPTIONS[name](True)
    try:
        with pytest.raises(MetatrainError, match=f"^tf.config.*{name}"):
            start_tensorflow(0)
    finally:
        OPTIONS[name](False)
    start_tensorflow(0)


@pytest.mark.slow
def test_a_tensorflow_that_already_runs_otherwise_is_refused_and_differs(tmp_path):
    """What the threads change is named too; the rest is equal in another process here."""
    theirs, message = json.loads(printed(tmp_path, _TOO_LATE))
    assert "already runs in this process" in message
    found = differences(fingerprint("abc"), theirs)
    named = [difference for difference in found if not is_probe(difference)]
    assert named == ["threads: [1, 1] here, [2, 0] there"]


class FakeConfig:
    """The configuration of a TensorFlow with two GPUs, which records the calls in order."""

    def __init__(self):
        self.calls = []
        self.threading = self
        self.experimental = self

    def set_intra_op_parallelism_threads(self, number):
        self.calls.append(("intra", number))

    def set_inter_op_parallelism_threads(self, number):
        self.calls.append(("inter", number))

    def list_physical_devices(self, kind):
        return [f"{kind}:0", f"{kind}:1"]

    def set_memory_growth(self, device, grows):
        self.calls.append(("growth", device, grows))

    def set_visible_devices(self, devices, kind):
        self.calls.append(("visible", kind, devices))


class FakeTensorFlow:
    def __init__(self):
        self.config = FakeConfig()

    def get_logger(self):
        return logging.getLogger("fake")


@pytest.mark.parametrize(
    ("gpus", "calls"),
    [
        (0, [("visible", "GPU", [])]),
        (1, [("growth", "GPU:0", True), ("growth", "GPU:1", True)]),
        (0.5, [("growth", "GPU:0", True), ("growth", "GPU:1", True)]),
    ],
)
def test_a_share_of_a_gpu_grows_in_memory_and_without_one_all_are_hidden(gpus, calls):
    tf = FakeTensorFlow()
    runtime._configure(tf, gpus)
    assert tf.config.calls == [("intra", 1), ("inter", 1), *calls]


_NO_GPU = """
from workers.wire.errors import MetatrainError
from workers.execution.runtime import start_tensorflow
try:
    start_tensorflow(0.5)
except MetatrainError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_gpu_that_is_asked_for_and_not_there_is_refused(tmp_path):
    output = printed(tmp_path, _NO_GPU, CUDA_VISIBLE_DEVICES="")
    assert output.startswith("workers.gpus = 0.5, but TensorFlow sees no GPU")


# The second logical CPU stands for the GPU that an actor was given.
_ON_ANOTHER_DEVICE = """
import json, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from workers.execution.runtime import start_tensorflow
start_tensorflow(0)
sys.path.append(sys.argv[1])
from small_families import noise_settings, NoiseFamily, train_block
from small_tasks import at
from workers.block import BlockRunner
from workers.meta_parameters import initial
from workers.models.conv4 import Conv4Model
from workers.wire.tensors import to_vector, sha256
from orchestrator.config.driver_settings import OuterSettings
from orchestrator.outer.update import OuterUpdate
from orchestrator.outer.state import MetaState

settings = noise_settings(model=Conv4Model(filters=4))
family = NoiseFamily((16, 16, 1))
results = []
for device in ("/CPU:0", "/CPU:1"):
    with tf.device(device):
        start = initial(settings, family)
        runner = BlockRunner(settings, family)
        tasks, shapes = runner._build(train_block(settings, family, 0, 3))
        constants = runner._constants(at(to_vector(start.theta)))
        total, *_ = runner.training.run(0, shapes, constants, tasks)
        outer = OuterUpdate(OuterSettings(), MetaState(0, start.theta, start.names))
        outer.apply(total.numpy(), to_vector([]))
        weights = runner.train_model.keras_model.trainable_variables
        results.append({
            "block": total.device,
            "outer": [v.value.device for v in (outer._theta, *outer._optimizer.variables)],
            "model": [v.value.device for v in weights],
            "theta": sha256(outer.state().theta),
        })
print(json.dumps(results))
"""


@pytest.mark.slow
def test_blocks_run_on_the_device_that_is_there_and_theta_is_drawn_and_updated_on_the_cpu(tmp_path):
    output = printed(tmp_path, _ON_ANOTHER_DEVICE, os.path.dirname(small_families.__file__))
    first, second = json.loads(output)
    assert first["block"].endswith("CPU:0")
    assert second["block"].endswith("CPU:1")
    for devices in (second["outer"], second["model"]):
        assert {device[-5:] for device in devices} == {"CPU:0"}
    assert first["theta"] == second["theta"]


_IMPORTED = """
import subprocess
import sys
from workers.execution import runtime
from workers.execution.probe import is_probe
{first}
runtime.start_tensorflow(0)
print(*(name for name in ("matplotlib", "pandas") if name in sys.modules))
import matplotlib, pandas  # who wants them still has them
print("there")
"""


@pytest.mark.quick("ours")
@pytest.mark.parametrize(
    ("first", "expected"),
    [("runtime.own_process()", ["", "there"]), ("", ["matplotlib pandas", "there"])],
    ids=["ours", "a user's"],
)
def test_keras_comes_without_what_others_may_want_of_it_in_a_process_of_ours(first, expected):
    code = _IMPORTED.format(first=first)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == expected, done.stderr


@pytest.mark.parametrize(
    ("visible", "number"),
    [(None, 3), ("", 0), ("-1", 0), ("0", 1), ("0,1", 2), ("1,-1,0", 1), ("0, 1,2,3", 3)],
)
def test_gpus_are_those_before_the_first_negative_entry(monkeypatch, visible, number):
    monkeypatch.setattr(runtime.glob, "glob", lambda pattern: ["/dev/nvidia0"] * 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert runtime.count_gpus() == number
