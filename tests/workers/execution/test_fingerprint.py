"""The fingerprint: what must be equal for equal bits, and how differences are shown."""

import json
import threading

import tensorflow as tf

from workers.execution.runtime import differences, fingerprint


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
    assert differences(ours, fingerprint("")) == [
        "TF_ENABLE_ONEDNN_OPTS: 'default' here, '0' there"
    ]


def test_variables_that_choose_kernels_are_part_of_the_fingerprint_and_told_one_by_one(
    monkeypatch,
):
    ours = fingerprint("")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=AVX2")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    theirs = fingerprint("")
    assert differences(ours, theirs) == [
        "ONEDNN_MAX_CPU_ISA: not set here, 'AVX2' there",
        "XLA_FLAGS: not set here, '--xla_cpu_max_isa=AVX2' there",
    ]
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    monkeypatch.delenv("XLA_FLAGS")
    assert differences(theirs, fingerprint("")) == [
        "ONEDNN_MAX_CPU_ISA: 'AVX2' here, 'SSE41' there",
        "XLA_FLAGS: '--xla_cpu_max_isa=AVX2' here, not set there",
    ]


def test_a_fingerprint_without_such_variables_is_that_of_older_checkpoints():
    assert set(fingerprint("abc")) == {
        *("python", "tensorflow", "keras", "numpy", "machine", "cpu_features", "threads"),
        *("onednn", "gpus", "data"),
    }


def test_equal_fingerprints_have_no_differences():
    assert differences({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}) == []


def test_differences_name_what_differs_and_both_values():
    lines = differences({"a": 1, "b": "x", "c": 0}, {"a": 2, "b": "x", "d": 0})
    assert lines == [
        "a: 1 here, 2 there",
        "c: 0 here, not set there",
        "d: not set here, 0 there",
    ]
