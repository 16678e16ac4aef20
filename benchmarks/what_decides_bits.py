"""What decides the bits of theta: one thing is changed at a time, and runs are compared.

    METATRAIN_DATA=DATA python benchmarks/what_decides_bits.py [--presets sinusoid ...]
        [--changes threads ...] [--out FILE.md] [--log FILE.jsonl]

Each preset is trained for a few steps in a process of its own, as it is and with each change. Of
each change the table says whether theta is the same, and what the run's fingerprint says differs:

    same           theta is the same, and so is the fingerprint
    same, refused  theta is the same, but the fingerprint differs: the promise is stricter than it
                   would have to be for this preset
    other, named   theta differs, and so does the fingerprint: an actor or a resume is refused
    UNEXPLAINED    theta differs, and the fingerprint does not say so

All presets take some 40 minutes of a core. With --log every run is noted, and the same command goes
on from there; begin another log after a change of the code.

The command ends with exit code 1 if there is an unexplained difference.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress

from workers.execution.fingerprint import differences

#: Outer steps of each preset.
STEPS = {
    "sinusoid": 300,
    "omniglot-5w1s": 20,
    "clinc150-intents": 20,
    "names-generation": 10,
    "navigation": 2,
}
_FEW = ("evaluation.tasks=2", "evaluation.validation_tasks=2")


class Change(NamedTuple):
    """A change of one thing.

    what: for the table.
    variables: of the environment. settings: further settings of the run.
    before: code that runs in the process before metatrain is imported. workers: number of actors.
    """

    what: str
    variables: Mapping[str, str] = MappingProxyType({})
    settings: tuple[str, ...] = ()
    before: str = ""
    workers: int = 0


CHANGES = {
    "again": Change("nothing"),
    "actors": Change("two actors in place of none", workers=2),
    "directory": Change(
        "another time zone, language and hash seed",
        {
            "TZ": "Asia/Tokyo",
            "LC_ALL": "C.UTF-8",
            "PYTHONHASHSEED": "7",
        },
    ),
    "cores": Change("one core for the process", before="import os; os.sched_setaffinity(0, {0})"),
    "omp": Change("OMP_NUM_THREADS=2", {"OMP_NUM_THREADS": "2"}),
    "openblas-threads": Change("OPENBLAS_NUM_THREADS=1", {"OPENBLAS_NUM_THREADS": "1"}),
    "malloc": Change(
        "MALLOC_TOP_PAD_, MALLOC_ARENA_MAX",
        {
            "MALLOC_TOP_PAD_": "1000000",
            "MALLOC_ARENA_MAX": "1",
        },
    ),
    "logs": Change("TF_CPP_MIN_LOG_LEVEL=0", {"TF_CPP_MIN_LOG_LEVEL": "0"}),
    "deterministic": Change("TF_DETERMINISTIC_OPS=1", {"TF_DETERMINISTIC_OPS": "1"}),
    "onednn": Change("TF_ENABLE_ONEDNN_OPTS=0", {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    "onednn-isa": Change("ONEDNN_MAX_CPU_ISA=SSE41", {"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    "onednn-math": Change(
        "ONEDNN_DEFAULT_FPMATH_MODE=BF16", {"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}
    ),
    "xla-isa": Change("XLA_FLAGS=--xla_cpu_max_isa=AVX", {"XLA_FLAGS": "--xla_cpu_max_isa=AVX"}),
    "xla-fast": Change(
        "XLA_FLAGS=--xla_cpu_enable_fast_math=true",
        {
            "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
        },
    ),
    "xla-auto": Change(
        "TF_XLA_FLAGS=--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
        {
            "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
        },
    ),
    "numpy-isa": Change(
        "NPY_DISABLE_CPU_FEATURES=AVX2 FMA3",
        {
            "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3",
        },
    ),
    "openblas": Change("OPENBLAS_CORETYPE=Nehalem", {"OPENBLAS_CORETYPE": "Nehalem"}),
    "libm": Change(
        "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA",
        {
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",
        },
    ),
    "mixed": Change("TF_ENABLE_AUTO_MIXED_PRECISION=1", {"TF_ENABLE_AUTO_MIXED_PRECISION": "1"}),
    "spmm": Change("TF_ENABLE_ONEDNN_SPMM=1", {"TF_ENABLE_ONEDNN_SPMM": "1"}),
    "fft": Change("TF_ENABLE_FFT_TILING_FORWARD=1", {"TF_ENABLE_FFT_TILING_FORWARD": "1"}),
    "block": Change("workers.block_size=1", settings=("workers.block_size=1",)),
    "isa": Change("runtime.isa=avx2", settings=("runtime.isa=avx2",)),
    "xla-off": Change("runtime.xla the other way", settings=("runtime.xla=OTHER",)),
}


class Outcome(NamedTuple):
    """theta's hash and the fingerprint of a run; error: why there are none."""

    theta: str
    fingerprint: dict[str, object]
    bits: str
    error: str = ""


def main() -> None:
    """Train, compare, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", nargs="*", choices=STEPS, default=list(STEPS))
    parser.add_argument("--changes", nargs="*", choices=CHANGES, default=list(CHANGES))
    parser.add_argument("--out", type=Path, help="write the table into this file, too")
    parser.add_argument("--log", type=Path, help="note each run here, and go on from there")
    arguments = parser.parse_args()
    done = Done(arguments.log)
    console = Console(width=200, highlight=False)
    rows: dict[str, dict[str, str]] = {name: {} for name in arguments.changes}
    total = len(arguments.presets) * (1 + len(arguments.changes))
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("training", total=total)
        for preset in arguments.presets:
            plain = done.outcome(preset, "", Change("as it is"))
            if plain.error:
                raise SystemExit(f"{preset}: {plain.error}")
            progress.advance(bar)
            for name in arguments.changes:
                rows[name][preset] = verdict(
                    plain, done.outcome(preset, name, changed(name, preset))
                )
                progress.advance(bar)
    text = table(rows, arguments.presets)
    console.print(text, markup=False, soft_wrap=True)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    sys.exit("UNEXPLAINED" in text)


class Done:
    """The runs so far, kept in a file of JSON lines if there is one."""

    def __init__(self, log: Path | None):
        self._log = log
        lines = log.read_text().splitlines() if log and log.exists() else []
        noted = map(json.loads, lines)
        self._outcomes = {(preset, name): Outcome(*values) for preset, name, *values in noted}

    def outcome(self, preset: str, name: str, change: Change) -> Outcome:
        """Return the outcome of a run, which is done now if it has not been."""
        if (preset, name) not in self._outcomes:
            outcome = self._outcomes[preset, name] = run(preset, change)
            if self._log:
                with self._log.open("a") as file:
                    file.write(json.dumps([preset, name, *outcome]) + "\n")
        return self._outcomes[preset, name]


def changed(name: str, preset: str) -> Change:
    """Return a change for a preset."""
    from orchestrator.config.schema import load

    change = CHANGES[name]
    other = str(not load(preset, [])[0].worker.execution[1]).lower()
    settings = tuple(setting.replace("OTHER", other) for setting in change.settings)
    return change._replace(settings=settings)


def run(preset: str, change: Change) -> Outcome:
    """Train a preset in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        words = ["train", preset, "--workers", str(change.workers), "--out", str(out)]
        for setting in (f"outer.steps={STEPS[preset]}", *_FEW, *change.settings):
            words += ["--set", setting]
        code = f"{change.before}\nimport sys\nfrom metatrain import main\nsys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            env={**os.environ, **change.variables},
            capture_output=True,
            text=True,
        )
        manifest = out / "checkpoints" / f"ckpt-{STEPS[preset]:08d}" / "manifest.json"
        if done.returncode or not manifest.exists():
            line = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            return Outcome("", {}, "", line[:150])
        saved = json.loads(manifest.read_text())
        return Outcome(saved["theta_sha256"], saved["fingerprint"], saved["bits_sha256"])


def verdict(plain: Outcome, other: Outcome) -> str:
    """Say whether theta is the same and what names the difference."""
    if other.error:
        return f"refused: {other.error}"
    names = sorted(
        line.partition(":")[0] for line in differences(plain.fingerprint, other.fingerprint)
    )
    if plain.bits != other.bits:
        names.append("the configuration")
    named = f" ({', '.join(names)})" if names else ""
    if plain.theta == other.theta:
        return f"same, refused{named}" if names else "same"
    return f"other, named{named}" if names else "UNEXPLAINED"


def table(rows: dict[str, dict[str, str]], presets: list[str]) -> str:
    """Make a Markdown table."""
    lines = [
        "| change | " + " | ".join(f"`{preset}`" for preset in presets) + " |",
        "|---|" + "---|" * len(presets),
    ]
    for name, cells in rows.items():
        values = (cells.get(preset, "") for preset in presets)
        lines.append(f"| {CHANGES[name].what} | " + " | ".join(values) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
