import json
import subprocess
import sys
import threading

import pytest
import tensorflow as tf

from workers.runtime import differences, fingerprint, start_tensorflow

# Computes before metatrain could set the threads, and then asks for them.
_TOO_LATE = """
import json
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(2)
tf.constant(0)
from workers.errors import MetatrainError
from workers.runtime import fingerprint, start_tensorflow
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


def test_the_fingerprint_is_stable_and_json():
    ours = fingerprint("abc")
    assert ours == fingerprint("abc")
    assert json.loads(json.dumps(ours)) == ours
    assert ours["data"] == "abc"
    assert ours["threads"] == [1, 1]
    assert ours["gpus"] == []
    assert ours["tensorflow"] == tf.__version__
    results = []
    thread = threading.Thread(target=lambda: results.append(fingerprint("abc")))
    thread.start()
    thread.join()
    assert results == [ours]


def test_the_onednn_flag_is_part_of_the_fingerprint(monkeypatch):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    ours = fingerprint("")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert [line.split(":")[0] for line in differences(ours, fingerprint(""))] == ["onednn"]


def test_equal_fingerprints_have_no_differences():
    assert differences({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}) == []


def test_differences_name_what_differs_and_both_values():
    lines = differences({"a": 1, "b": "x", "c": 0}, {"a": 2, "b": "x", "d": 0})
    assert lines == [
        "a: 1 here, 2 there",
        "c: 0 here, None there",
        "d: None here, 0 there",
    ]


@pytest.mark.slow
def test_a_tensorflow_that_already_runs_otherwise_is_refused_and_differs():
    """The rest of the fingerprint is equal in another process on this machine."""
    result = subprocess.run(
        [sys.executable, "-c", _TOO_LATE], capture_output=True, text=True, check=True
    )
    theirs, message = json.loads(result.stdout)
    assert "already runs in this process" in message
    assert differences(fingerprint("abc"), theirs) == ["threads: [1, 1] here, [2, 0] there"]
