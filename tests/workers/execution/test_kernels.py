"""The environment variables that choose kernels."""

import pytest

from workers.execution.kernels import chosen_kernels


@pytest.mark.parametrize(
    "name",
    [
        *("XLA_FLAGS", "TF_XLA_FLAGS", "ONEDNN_MAX_CPU_ISA", "ONEDNN_CPU_ISA_HINTS"),
        *("DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "TF_SET_ONEDNN_FPMATH_MODE"),
        *("NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "OPENBLAS_CORETYPE"),
        *("TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC", "TF_CUDNN_USE_AUTOTUNE"),
        *("NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG", "TF_FP16_MATMUL_USE_FP32_COMPUTE"),
        "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_LEVEL",
    ],
)
def test_variables_of_kernels_are_found_with_their_values(name):
    assert chosen_kernels({name: "1", "HOME": "/home/me"}) == {name: "1"}
    assert chosen_kernels({name: ""}) == {}


@pytest.mark.parametrize(
    "name",
    [
        *("TF_CPP_MIN_LOG_LEVEL", "ONEDNN_VERBOSE", "DNNL_JIT_DUMP", "OMP_NUM_THREADS", "PATH"),
        *("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "TF_FORCE_GPU_ALLOW_GROWTH", "KERAS_HOME"),
        *("TF_CUDNN_WORKSPACE_LOG", "CUDA_VISIBLE_DEVICES", "RAY_ADDRESS"),
    ],
)
def test_variables_that_leave_the_numbers_alone_are_passed_over(name):
    assert chosen_kernels({name: "1"}) == {}


def test_flags_in_a_file_count_as_what_the_file_says(tmp_path):
    file = tmp_path / "flags"
    file.write_text("--xla_cpu_max_isa=AVX2\n --xla_cpu_enable_fast_math=true\n")
    expected = {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_enable_fast_math=true"}
    assert chosen_kernels({"XLA_FLAGS": str(file)}) == chosen_kernels(expected) == expected
    assert chosen_kernels({"TF_XLA_FLAGS": "/no/such/file"}) == {"TF_XLA_FLAGS": "/no/such/file"}


def test_flags_that_only_write_what_was_compiled_are_passed_over():
    assert chosen_kernels({"XLA_FLAGS": "--xla_dump_to=/tmp/a --xla_dump_hlo_as_text"}) == {}


def test_of_the_c_librarys_tunables_those_of_the_processor_count():
    tunables = "glibc.malloc.check=1:glibc.cpu.hwcaps=-AVX2_Usable:glibc.cpu.x86_ibt=on"
    assert chosen_kernels({"GLIBC_TUNABLES": tunables}) == {
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2_Usable:glibc.cpu.x86_ibt=on"
    }
    assert chosen_kernels({"GLIBC_TUNABLES": "glibc.malloc.check=1"}) == {}
