"""The fingerprint: what must be equal for equal bits, and how differences are shown."""

import json
import os
import platform
import subprocess
import sys
import threading

import pytest
import tensorflow as tf

from workers.execution import processor
from workers.execution.fingerprint import differences, fingerprint
from workers.execution.probe import is_probe
from workers.execution.processor import all_features


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


def test_a_fingerprint_holds_versions_instructions_probes_and_data():
    names = {name for name in fingerprint("abc") if not is_probe(name)}
    assert names == {
        *("python", "tensorflow", "keras", "numpy", "machine", "instruction_sets", "threads"),
        *("onednn", "gpus", "data"),
    }


def older(**changes):
    """The fingerprint of a run from before anything was probed."""
    ours = fingerprint("abc")
    kept = {n: v for n, v in ours.items() if n != "instruction_sets" and not is_probe(n)}
    return {**kept, "cpu_features": all_features(), **changes}


def test_a_run_from_before_there_were_probes_resumes_on_the_same_machine():
    ours = fingerprint("abc")
    assert differences(ours, older()) == differences(older(), ours) == []
    (line,) = differences(ours, older(cpu_features="ff"))
    assert line == f"cpu_features: {all_features()!r} here, 'ff' there"
    assert differences(older(numpy="1.0"), ours) == [
        f"numpy: '1.0' here, {ours['numpy']!r} there",
    ]
    assert differences(older(), older()) == []


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    """Write what the processor says of itself, but for what the libraries see."""
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_CPUINFO", file)
    return lambda words: file.write_text(f"processor\t: 0\nflags\t\t: {words}\nbugs\t\t: a b\n")


def test_a_mitigation_more_changes_no_fingerprint_and_an_instruction_set_does(cpuinfo):
    cpuinfo("fpu sse2 avx2 fma smep")
    ours = fingerprint("")
    cpuinfo("fma avx2 sse2 fpu smep ibrs_enhanced md_clear")
    assert differences(ours, fingerprint("")) == []
    cpuinfo("fma avx2 sse2 fpu smep avx512f amx_tile")
    assert differences(ours, fingerprint("")) == [
        "instruction_sets: 'avx2 fma sse2' here, 'amx_tile avx2 avx512f fma sse2' there"
    ]


def test_without_cpuinfo_the_processor_has_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "nowhere")
    assert fingerprint("")["instruction_sets"] == platform.processor()
    (tmp_path / "cpuinfo").write_text("processor\t: 0\n")
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    assert processor.all_features() == platform.processor()


_SHOW = """
import json
from workers.execution import fingerprint, runtime
runtime.start_tensorflow(0)
print(json.dumps(fingerprint.fingerprint("abc")))
"""


def of_another_process(**variables):
    environment = {**os.environ, **variables}
    command = [sys.executable, "-c", _SHOW]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def probes(lines):
    return {line.partition(":")[0] for line in lines if is_probe(line)}


@pytest.mark.slow
def test_probes_are_the_same_in_every_process_and_show_what_changes_bits():
    ours = fingerprint("abc")
    assert differences(ours, of_another_process()) == []
    changed = {
        # numpy's own kernels, which nothing else uses.
        "NPY_DISABLE_CPU_FEATURES": ("AVX2 FMA3 X86_V3", {"probe of numpy"}),
        "XLA_FLAGS": ("--xla_cpu_max_isa=SSE4_2", {"probe of XLA"}),
        # Messages change nothing.
        "ONEDNN_VERBOSE": ("0", set()),
    }
    for name, (value, expected) in changed.items():
        lines = differences(ours, of_another_process(**{name: value}))
        assert probes(lines) == expected
        assert any(line.startswith(f"{name}: not set here") for line in lines) == bool(expected)


def test_equal_fingerprints_have_no_differences():
    assert differences({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}) == []


def test_differences_name_what_differs_and_both_values():
    lines = differences({"a": 1, "b": "x", "c": 0}, {"a": 2, "b": "x", "d": 0})
    assert lines == [
        "a: 1 here, 2 there",
        "c: 0 here, not set there",
        "d: not set here, 0 there",
    ]
