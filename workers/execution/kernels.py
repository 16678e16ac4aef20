"""Environment variables that choose the kernels of TensorFlow, oneDNN, numpy and libm.

The last bits of a result depend on them, so they are part of the fingerprint.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

_VARIABLES = (
    "XLA_FLAGS",
    "TF_XLA_FLAGS",
    "TF_JITRT_FLAGS",
    # Precision and rewriting of graphs.
    "NVIDIA_TF32_OVERRIDE",
    "TF_CONV2D_USE_FP16_ACCUMULATE",
    "TF_ENABLE_AUTO_MIXED_PRECISION",
    # The CPU's kernels.
    "TF_ENABLE_ONEDNN_SPMM",
    "TF_ENABLE_ZENDNN_OPTS",
    "TF_ENABLE_FFT_TILING_FORWARD",
    "TF_ENABLE_MAXPOOL_NANPROP",
    "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS",
    "TF_SET_ONEDNN_FPMATH_MODE",
    "TF_USE_DEEP_CONV2D",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    # The GPU's.
    "CUBLAS_WORKSPACE_CONFIG",
    "TF_AUTOTUNE_THRESHOLD",
    "TF_DETERMINISTIC_OPS",
    "TF_DISABLE_JIT_KERNELS",
    "TF_DISABLE_RZ_CHECK",
    "TF_ENABLE_WINOGRAD_NONFUSED",
    "TF_USE_CUBLASLT",
    "TF_USE_DEFAULT_CONV_ALGO",
    # Linear algebra in numpy.
    "BLIS_ARCH_TYPE",
    "OPENBLAS_CORETYPE",
)
#: Whole families of variables, including names that later versions add.
_PREFIXES = (
    "ONEDNN_",
    "DNNL_",
    "NPY_DISABLE_CPU",
    "NPY_ENABLE_CPU",
    "TF_AUTO_MIXED_PRECISION_",
    "TF_CUDNN_",
    "TF_FP16_",
    "TF_MATMUL_AUTOTUNE_",
)
#: Parts of names that decide what is written or cached, and not what is computed.
_HARMLESS = ("VERBOSE", "DUMP", "LOG", "PROFILE", "CACHE", "CAPACITY")
_TUNABLES, _OF_LIBM = "GLIBC_TUNABLES", "glibc.cpu."


def chosen_kernels(environment: Mapping[str, str]) -> dict[str, str]:
    """List the variables that are set and choose kernels, sorted by name, with their values.

    If a value is the name of a file of flags, as XLA allows, the flags in the file count.
    """
    values = {name: value for name, value in environment.items() if _chooses(name)}
    for name in ("XLA_FLAGS", "TF_XLA_FLAGS"):
        if name in values:
            values[name] = " ".join(_flags(values[name]))
    tunables = environment.get(_TUNABLES, "").split(":")
    values[_TUNABLES] = ":".join(tunable for tunable in tunables if tunable.startswith(_OF_LIBM))
    return {name: values[name] for name in sorted(values) if values[name].strip()}


def _chooses(name: str) -> bool:
    in_a_family = name.startswith(_PREFIXES) and not any(word in name for word in _HARMLESS)
    return name in _VARIABLES or in_a_family


def _flags(value: str) -> list[str]:
    if not value.startswith("-"):
        with contextlib.suppress(OSError, ValueError):
            value = Path(value).read_text()
    return [flag for flag in value.split() if not flag.startswith("--xla_dump_")]
