"""The instruction set to compute with: the processor's own, or one that other processors have too.

Libraries choose kernels by the processor when they are loaded, unless these variables tell them to
stay below its newest instructions. So a process with another `runtime.isa` must start anew.

The names: XLA's debug options (xla_cpu_max_isa), oneDNN's "CPU dispatcher control", numpy's
"CPU build options", OpenBLAS' "runtime variables".
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.execution.processor import words
from workers.wire.errors import MetatrainError

NATIVE, AVX2 = "native", "avx2"
_XLA = "XLA_FLAGS"
#: What numpy may call instructions above AVX2: groups since 2.4, and the names before it. Of those
#: that it does not know it tells Python's warnings, which nobody sees by default.
_NUMPY = (
    *("X86_V4", "AVX512F", "AVX512CD", "AVX512_KNL", "AVX512_KNM", "AVX512_SKX", "AVX512_CLX"),
    *("AVX512_CNL", "AVX512_ICL", "AVX512_SPR"),
)
_AVX2_VARIABLES = {
    _XLA: "--xla_cpu_max_isa=AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": " ".join(_NUMPY),
    "OPENBLAS_CORETYPE": "Haswell",
}
#: Words of /proc/cpuinfo that a processor must have for these kernels.
_NEEDED = ("avx2", "fma", "f16c", "bmi1", "bmi2", "movbe")


class RestartNeededError(MetatrainError):
    """An error for a process whose libraries were loaded for other instructions.

    `environment` has the variables with which the process has to be started.
    """

    def __init__(self, message: str, environment: Mapping[str, str] | None = None):
        """Hold the variables beside the message; without them after pickling."""
        super().__init__(message)
        self.environment = dict(environment or {})


def variables(isa: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a process that computes with `isa`; {} for the processor's own.

    Args:
      environment: the variables that there are; further flags for XLA among them are kept.
    """
    chosen = _AVX2_VARIABLES if isa == AVX2 else {}
    return {name: _added(environment.get(name, ""), value) for name, value in chosen.items()}


def in_force(environment: Mapping[str, str]) -> str:
    """Return the instruction set that the variables choose; "" for the processor's own."""
    return AVX2 if all(_is_set(environment, *each) for each in _AVX2_VARIABLES.items()) else ""


def require(isa: str) -> None:
    """Check that this process computes with `isa`; before anything is written.

    Raises:
      RestartNeededError: it would, if it were started with other variables.
      ValueError: the processor lacks the instructions, or a variable asks for others.
    """
    if isa == NATIVE:
        return
    lacking = [word for word in _NEEDED if word not in words()]
    if lacking:
        raise ValueError(
            f"runtime.isa = {isa!r}, but this processor lacks {', '.join(lacking)}; use 'native'"
        )
    _refuse_others(os.environ)
    missing = {
        name: value
        for name, value in variables(isa, os.environ).items()
        if value != os.environ.get(name)
    }
    typed = " ".join(f"{name}={value!r}" for name, value in missing.items())
    if missing:
        raise RestartNeededError(
            f"runtime.isa = {isa!r} must be chosen before numpy and TensorFlow are loaded; "
            f"start Python with {typed} in its environment",
            missing,
        )
    if any(_numpy_features().get(name) for name in _NUMPY):
        raise MetatrainError(
            f"runtime.isa = {isa!r}, but numpy was loaded before NPY_DISABLE_CPU_FEATURES was set; "
            "set it in the environment before Python starts"
        )


def _refuse_others(environment: Mapping[str, str]) -> None:
    """Refuse variables that ask for other kernels than `_AVX2_VARIABLES`."""
    for name, value in _AVX2_VARIABLES.items():
        found = environment.get(name, "").strip()
        if name == _XLA:
            flag = value.partition("=")[0]
            others = [word for word in found.split() if word.startswith(flag) and word != value]
            if found and not found.startswith("-") and Path(found).is_file():
                raise ValueError(
                    f"runtime.isa = 'avx2' adds {value} to {name}, but {name} = {found!r} names a "
                    "file; set the flags of the file in its place"
                )
        else:
            others = [found] if found and found.split() != value.split() else []
        if others:
            raise ValueError(
                f"runtime.isa = 'avx2' sets {name} = {value!r}, but the environment has "
                f"{others[0]!r}; unset it, or use runtime.isa = 'native'"
            )


def _is_set(environment: Mapping[str, str], name: str, value: str) -> bool:
    return set(value.split()) <= set(environment.get(name, "").split())


def _added(present: str, value: str) -> str:
    words = value.split()
    return present if set(words) <= set(present.split()) else f"{present} {value}".strip()


def _numpy_features() -> dict[str, Any]:
    """Return numpy's names of instructions -> whether it uses them."""
    import numpy as np

    features: dict[str, Any] = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
    return features
