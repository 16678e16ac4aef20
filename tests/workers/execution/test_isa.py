"""runtime.isa: which variables a process needs, and what the fingerprint says then."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_configs import sinusoid

from orchestrator.cli import app
from orchestrator.cli.adapt import sources
from orchestrator.pool.ray_backend import RayBackend
from orchestrator.run.opening import check_machine
from orchestrator.run.seeds import train_seeds
from orchestrator.run.signals import NoStop
from workers.execution import isa, processor
from workers.execution.fingerprint import differences, fingerprint
from workers.execution.isa import RestartNeededError
from workers.wire.errors import MetatrainError

AVX2 = isa.variables("avx2", {})
WORDS = "fpu avx avx2 fma f16c bmi1 bmi2 movbe"


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in AVX2:
        monkeypatch.delenv(name, raising=False)
    told = isa._numpy_features()
    assert isinstance(told["AVX2"], bool)
    monkeypatch.setattr(isa, "_numpy_features", lambda: {**told, "AVX512F": False, "X86_V4": False})


@pytest.fixture
def flags(monkeypatch, tmp_path):
    """Write the words of /proc/cpuinfo."""

    def write(words):
        (tmp_path / "cpuinfo").write_text(f"flags\t\t: {words}\n")
        monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")

    write(WORDS)
    return write


def choose(monkeypatch, **changes):
    for name, value in {**AVX2, **changes}.items():
        monkeypatch.setenv(name, value)


def test_native_needs_nothing(flags):
    flags("fpu")
    isa.require("native")
    assert isa.variables("native", {"XLA_FLAGS": "--a"}) == {}
    assert isa.in_force({}) == ""


def test_a_process_of_other_instructions_must_start_again(flags, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    with pytest.raises(RestartNeededError) as raised:
        check_machine(sinusoid("runtime.isa=avx2"))
    needed = raised.value.environment
    assert needed["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=false --xla_cpu_max_isa=AVX2"
    assert needed["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert {"X86_V4", "AVX512_SKX"} <= set(needed["NPY_DISABLE_CPU_FEATURES"].split())
    assert "start Python with XLA_FLAGS='--xla_cpu_enable_fast_math=false --x" in str(raised.value)
    choose(monkeypatch, **needed)
    isa.require("avx2")


def test_runs_from_several_seeds_write_nothing_before_the_process_starts_again(flags, tmp_path):
    configs = {seed: sinusoid("runtime.isa=avx2", f"seed={seed}") for seed in (0, 1)}
    with pytest.raises(RestartNeededError):
        train_seeds(configs, [], str(tmp_path / "all"), False, False, False, NoStop())
    assert not (tmp_path / "all").exists()


def test_commands_that_adapt_need_the_instructions_of_their_run(flags, monkeypatch):
    source = SimpleNamespace(config=sinusoid("runtime.isa=avx2"), examples=SimpleNamespace(loss=""))
    monkeypatch.setattr(sources.artefact, "load", lambda run: source)
    monkeypatch.setattr(sources, "check_family", lambda *given: None)
    for command in ("adapt", "generate", "adapt-policy"):
        with pytest.raises(RestartNeededError):
            sources.open_run("runs/a", command)


def test_the_command_line_starts_itself_again_with_the_variables(flags, monkeypatch, tmp_path):
    calls = []

    def execve(*call):
        calls.append(call)
        raise SystemExit  # it never returns

    monkeypatch.setattr(app.os, "execve", execve)
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "metatrain"
    words = ["train", "sinusoid", "--set", "runtime.isa=avx2", "--out", "here"]
    for program, expected in (
        (str(tmp_path / "gone"), ["-m", "metatrain"]),
        (str(Path(app.__file__)), ["-m", "metatrain"]),
        (str(script), [str(script)]),
    ):
        script.write_text("")
        monkeypatch.setattr(sys, "argv", [program, *words])
        with pytest.raises(SystemExit):
            app.main()
        executable, command, environment = calls.pop()
        assert command == [executable, *expected, *words]
        assert AVX2.items() <= environment.items()
        assert environment.keys() >= {"PATH"}
    assert [each.name for each in tmp_path.iterdir() if each.is_dir()] == []


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("XLA_FLAGS", "--xla_cpu_max_isa=SSE4_2", "'--xla_cpu_max_isa=SSE4_2'"),
        ("ONEDNN_MAX_CPU_ISA", "SSE41", "'SSE41'"),
        ("NPY_DISABLE_CPU_FEATURES", "X86_V3", "'X86_V3'"),
        ("OPENBLAS_CORETYPE", "Zen", "'Zen'"),
    ],
)
def test_variables_that_ask_for_others_are_refused(flags, monkeypatch, name, value, named):
    choose(monkeypatch, **{name: value})
    with pytest.raises(ValueError, match=f"sets {name} = .*but the environment has {named}; unset"):
        isa.require("avx2")


def test_a_file_of_flags_is_refused(flags, monkeypatch, tmp_path):
    (tmp_path / "flags").write_text("--a")
    choose(monkeypatch, XLA_FLAGS=str(tmp_path / "flags"))
    with pytest.raises(ValueError, match="names a file; set the flags of the file in its place"):
        isa.require("avx2")


def test_a_processor_without_the_instructions_is_refused(flags):
    flags("fpu avx avx2 f16c bmi1 bmi2 movbe")
    with pytest.raises(ValueError, match="this processor lacks fma; use 'native'"):
        isa.require("avx2")


def test_a_numpy_that_was_loaded_before_is_noticed(flags, monkeypatch):
    choose(monkeypatch)
    monkeypatch.setattr(isa, "_numpy_features", lambda: {"AVX512F": True})
    with pytest.raises(MetatrainError, match="numpy was loaded before"):
        isa.require("avx2")


def test_newer_instructions_count_natively_and_not_beside_avx2(flags, monkeypatch):
    def words_of(words):
        flags(words)
        return fingerprint("")

    ours, newer = words_of(WORDS), words_of(f"{WORDS} avx512f amx_tile")
    (line,) = differences(ours, newer)
    assert line.startswith("instruction_sets: ")
    assert "avx512f" in line
    choose(monkeypatch)
    ours, newer = words_of(WORDS), words_of(f"{WORDS} avx512f amx_tile")
    assert ours["instruction_sets"] == "avx2"
    assert differences(ours, newer) == []


def test_actors_start_with_the_variables(monkeypatch):
    choose(monkeypatch, XLA_FLAGS="--a --xla_cpu_max_isa=AVX2")
    config = sinusoid("runtime.isa=avx2")
    options = RayBackend(config.worker, 1, 0)._options
    assert options["runtime_env"]["env_vars"]["XLA_FLAGS"] == "--a --xla_cpu_max_isa=AVX2"
    assert options["runtime_env"]["env_vars"].keys() == AVX2.keys()
    assert "runtime_env" not in RayBackend(sinusoid().worker, 1, 0)._options


def test_the_choice_decides_bits_and_older_runs_keep_their_identity():
    native, chosen = sinusoid(), sinusoid("runtime.isa=avx2")
    assert "runtime.isa" not in native.bits()
    assert chosen.bits()["runtime.isa"] == "avx2"
    assert native.bits_hash() != chosen.bits_hash()
