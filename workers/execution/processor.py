"""The words of /proc/cpuinfo by which libraries choose kernels, and compilers instructions.

Most of its other words name mitigations, virtualization and power management, which a new kernel
may add and which change no number.
"""

import hashlib
import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
#: x86: of what oneDNN, Eigen, XLA's LLVM, numpy, OpenBLAS and glibc dispatch on.
_X86 = (
    "sse",
    "sse2",
    "pni",
    "ssse3",
    "sse4a",
    "sse4_1",
    "sse4_2",
    "popcnt",
    "abm",
    "bmi1",
    "bmi2",
    "movbe",
    "adx",
    "f16c",
    "fma",
    "fma4",
    "xop",
    "tbm",
    "avx",
    "avx2",
    "avx_vnni",
    "avx_ifma",
    "avx_vnni_int8",
    "avx_vnni_int16",
    "avx_ne_convert",
    "gfni",
    "vaes",
    "vpclmulqdq",
    "pclmulqdq",
    "aes",
    "sha_ni",
    "sha512",
    "fsrm",
    "erms",
    "clflushopt",
)
#: Arm: NEON, half precision, dot products, scalable vectors, bfloat16 and matrices.
_ARM = (
    "fp",
    "asimd",
    "fphp",
    "asimdhp",
    "asimdrdm",
    "asimddp",
    "asimdfhm",
    "fcma",
    "bf16",
    "i8mm",
    "atomics",
    "lse",
    "crc32",
)
_FAMILIES = ("avx512", "avx10", "amx", "sve", "sme")
_NOT_OF_THEM = ("smep",)  # a protection


def instruction_sets() -> str:
    """List the words that matter, sorted; without /proc/cpuinfo, the processor's name."""
    flags = _flags()
    if flags is None:
        return platform.processor()
    known = {*_X86, *_ARM}
    chosen = {word for word in flags if word in known or word.startswith(_FAMILIES)}
    return " ".join(sorted(chosen.difference(_NOT_OF_THEM)))


def words() -> frozenset[str]:
    """Return all words of /proc/cpuinfo's flags; none without the file."""
    return frozenset(_flags() or ())


def all_features() -> str:
    """Hash all words, as fingerprints did before they listed those that matter."""
    flags = _flags()
    if flags is None:
        return platform.processor()
    return hashlib.sha256(" ".join(sorted(flags)).encode()).hexdigest()[:16]


def _flags() -> list[str] | None:
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return None
    line = next((line for line in lines if line.startswith(("flags", "Features"))), None)
    return None if line is None else line.split(":", 1)[1].split()
