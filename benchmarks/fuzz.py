"""Hostile and damaged inputs for every command that reads a file: python benchmarks/fuzz.py.

Each input is a valid file with a few changes, drawn from a seed, and is given to the command line
in a process of its own. Wanted: an exit code that README names, one line for a refusal and no
traceback, an answer within 30 s and 2 GB, and nothing that was there changed.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from rich.console import Console
from rich.progress import track

import metatrain
import orchestrator.cli
import orchestrator.commands.adapt_command
import orchestrator.commands.checkpoints_command
import orchestrator.commands.data_command
import orchestrator.commands.report_command  # noqa: F401  (imported once, before the forks)

_LIMIT_S, _LIMIT_BYTES = 30.0, 2_000_000_000
_CODES = {0, 1, 2}
_NO_EXIT_CODE = 70
_TOKENS = [
    b"nan", b"-inf", b"1e400", b"-1", b"0", b"99999999999999999999999", b"true", b"null", b"{}",
    b"[]", b'""', b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", "é\u202e😀".encode(), b"$x$", b"[/b]",
    b"<b>", b"\x1b[31m", b"../../x", b"\n", b"\r\n", b";", b"\t", b'"', b"'", b"%s", b"[" * 2000,
]  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """files: what is changed, below the material's folder. words: the command; {} is the folder."""

    share: float
    files: tuple[str, ...]
    words: tuple[str, ...]


_TABLE = ("--set", "task.task_column=who", "--set", "task.target_column=y")
_CLASSES = ("--set", "task.ways=2", "--set", "task.shots=1", "--set", "task.queries=1")
KINDS = {
    "configuration": Kind(0.25, ("run.toml",), ("data", "{}/run.toml")),
    "csv": Kind(
        0.15, ("table.csv",), ("data", "table", "--set", "task.path={}/table.csv", *_TABLE)
    ),
    "texts": Kind(
        0.05, ("texts.csv",), ("data", "clinc150-intents", "--set", "task.path={}/texts.csv")
    ),
    "parquet": Kind(
        0.1, ("table.parquet",), ("data", "table", "--set", "task.path={}/table.parquet", *_TABLE)
    ),
    "images": Kind(0.1, ("images/a/0.png", "images/b/1.jpg"), ("data", "{}/images", *_CLASSES)),
    "image zip": Kind(0.05, ("images.zip",), ("data", "{}/images.zip", *_CLASSES)),
    "artefact": Kind(
        0.1,
        ("run.metatrain",),
        ("adapt", "{}/run.metatrain", "--support", "{}/support.csv", "--query", "{}/query.csv"),
    ),
    "checkpoint": Kind(
        0.1,
        tuple(
            f"run/checkpoints/ckpt-00000002/{name}"
            for name in ("manifest.json", "theta.arrow", "optimizer.arrow", "carry.arrow")
        ),
        ("checkpoints", "{}/run"),
    ),
    "records": Kind(
        0.1,
        tuple(
            f"run/{name}"
            for name in (
                "metrics.jsonl", "evaluation.json", "history.json", "config.toml", "tasks.parquet"
            )
        ),
        ("report", "{}/run"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of an input. problem: "" if nothing is wrong."""

    kind: str
    number: int
    code: int
    seconds: float
    bytes: int
    problem: str
    last_line: str


def main() -> int:
    """Run it; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--number", type=int, help="of one input of --kind, to see it again")
    given = parser.parse_args()
    console = Console(highlight=False, width=200)
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        material = make_material(Path(folder, "material"))
        before = digest(material)
        if given.number is not None:
            print(run(material, given.kind, given.seed, given.number, show=True))
            return 0
        planned = list(plan(given.inputs, given.kind))
        began = time.monotonic()
        outcomes = [
            run(material, kind, given.seed, number)
            for kind, number in track(planned, console=Console(stderr=True))
        ]
        took = time.monotonic() - began
        overwritten = digest(material) != before
    tell(console, outcomes, took, overwritten)
    return int(overwritten or any(outcome.problem for outcome in outcomes))


def plan(inputs: int, only: str | None = None) -> Iterator[tuple[str, int]]:
    """Kinds and numbers of inputs, by the kinds' shares."""
    total = sum(kind.share for kind in KINDS.values())
    for name, kind in KINDS.items():
        count = inputs if only == name else round(inputs * kind.share / total) if not only else 0
        yield from ((name, number) for number in range(count))


def make_material(folder: Path) -> Path:
    """Valid files of every kind; a small run is trained for it."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    whose = np.repeat([f"p{i}" for i in range(12)], 12)
    x = rng.normal(size=len(whose)).round(3)
    table = pa.table({"who": whose, "x": x, "y": (2 * x + 1).round(3)})
    pq.write_table(table, folder / "table.parquet")
    table.to_pandas().to_csv(folder / "table.csv", index=False)
    lines = [f"please do {i % 14} thing {i},c{i % 14}" for i in range(14 * 12)]
    (folder / "texts.csv").write_text("\n".join(["text,label", *lines]))
    for label in "abcdef":
        (folder / "images" / label).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 255, (9, 7, 3), dtype=np.uint8)
            suffix = "jpg" if i % 2 else "png"
            Image.fromarray(pixels).save(folder / "images" / label / f"{i}.{suffix}")
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for file in sorted((folder / "images").rglob("*.*")):
            archive.write(file, file.relative_to(folder / "images"))
    for name in ("support", "query"):
        (folder / f"{name}.csv").write_text("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(5)))
    metatrain = [sys.executable, "-m", "metatrain"]
    small = [f"--set={key}" for key in ("outer.steps=2", "evaluation.tasks=4",
                                        "evaluation.validation_tasks=4")]  # fmt: skip
    train = [*metatrain, "train", "sinusoid", *small, "--workers", "0", "--out", "run"]
    subprocess.run(train, cwd=folder, check=True, capture_output=True)
    shutil.copy(folder / "run" / "config.toml", folder / "run.toml")
    export = [*metatrain, "export", "run", "run.metatrain"]
    subprocess.run(export, cwd=folder, check=True, capture_output=True)
    return folder


def run(material: Path, kind: str, seed: int, number: int, show: bool = False) -> Outcome:
    """Change a copy of the material, give it to the command, and look at what becomes of it."""
    chosen = KINDS[kind]
    rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
    with tempfile.TemporaryDirectory(prefix="fuzz") as name:
        folder = Path(name, "copy")
        shutil.copytree(material, folder)
        file = folder / chosen.files[rng.integers(len(chosen.files))]
        file.write_bytes(change(rng, file.read_bytes()))
        others = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        words = [word.replace("{}", str(folder)) for word in chosen.words]
        if kind in ("images", "image zip"):
            words += ["--set", f"task.cache={name}/cache"]
        began = time.monotonic()
        code, used, out, err = call(words, Path(name))
        seconds = time.monotonic() - began
        lost = [path for path, content in others.items() if _is_changed(path, content, kind)]
    if show:
        print(f"{words}\n{out}{err}")
    lines = err.strip().splitlines()
    last = lines[-1] if lines else ""
    problem = _problem(code, seconds, used, err, last, lost)
    return Outcome(kind, number, code, seconds, used, problem, last[:300])


def _is_changed(path: Path, content: bytes, kind: str) -> bool:
    if kind == "records" and path.name == "report.html":  # what the command is for
        return False
    return not path.exists() or path.read_bytes() != content


def _problem(code: int, seconds: float, used: int, err: str, last: str, lost: list[Path]) -> str:
    if seconds > _LIMIT_S:
        return f"no answer in {_LIMIT_S:.0f} s"
    if "Traceback (most recent call last)" in err:
        return "a traceback"
    if code not in _CODES:
        return f"exit code {code}"
    if code and not last.startswith(("metatrain: ", "this run cannot work: ")):
        return "a refusal without a line of ours"
    if used > _LIMIT_BYTES:
        return f"{used / 1e9:.1f} GB of memory"
    return f"changed {lost[0].name}" if lost else ""


def change(rng: np.random.Generator, content: bytes) -> bytes:
    """One to three changes."""
    for _ in range(int(rng.integers(1, 4))):
        content = _CHANGES[rng.integers(len(_CHANGES))](rng, content)
    return content


def _place(rng: np.random.Generator, content: bytes) -> int:
    return int(rng.integers(len(content) + 1))


def _flip(rng: np.random.Generator, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        if changed:
            changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(rng: np.random.Generator, content: bytes) -> bytes:
    return content[: _place(rng, content)]


def _drop(rng: np.random.Generator, content: bytes) -> bytes:
    lo, hi = sorted((_place(rng, content), _place(rng, content)))
    return content[:lo] + content[min(hi, lo + 64) :]


def _repeat(rng: np.random.Generator, content: bytes) -> bytes:
    lo, hi = sorted((_place(rng, content), _place(rng, content)))
    return content[:hi] + content[lo:hi] * int(rng.integers(1, 20)) + content[hi:]


def _insert(rng: np.random.Generator, content: bytes) -> bytes:
    at = _place(rng, content)
    return content[:at] + _TOKENS[rng.integers(len(_TOKENS))] + content[at:]


def _replace_word(rng: np.random.Generator, content: bytes) -> bytes:
    """A number or name of a text becomes something else; of other files, some bytes."""
    words = content.replace(b",", b" ").replace(b"=", b" ").split()
    if not words:
        return content
    word = words[rng.integers(len(words))]
    at = content.find(word, _place(rng, content))
    at = content.find(word) if at < 0 else at
    return content[:at] + _TOKENS[rng.integers(len(_TOKENS))] + content[at + len(word) :]


def _swap_lines(rng: np.random.Generator, content: bytes) -> bytes:
    lines = content.split(b"\n")
    one, two = rng.integers(len(lines), size=2)
    lines[one], lines[two] = lines[two], lines[one]
    return b"\n".join(lines)


def _empty(rng: np.random.Generator, content: bytes) -> bytes:
    return b"" if rng.random() < 0.2 else content


_CHANGES: list[Callable[[np.random.Generator, bytes], bytes]] = [
    _flip, _cut, _drop, _repeat, _insert, _insert, _replace_word, _replace_word, _swap_lines,
    _empty,
]  # fmt: skip


def call(words: list[str], folder: Path) -> tuple[int, int, str, str]:
    """Exit code, most memory in bytes, and both outputs of `metatrain WORDS`."""
    out, err = folder / "out", folder / "err"
    child = os.fork()  # a new interpreter would take ten times as long as the answer
    if not child:
        _become(words, folder, out, err)
    status, used = _wait(child)
    texts = [path.read_text(errors="replace") for path in (out, err)]
    return os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024, texts[0], texts[1]


def _become(words: list[str], folder: Path, out: Path, err: Path) -> None:
    """The command, to its end; the descriptors are replaced, for whatever libraries write too."""
    code = _NO_EXIT_CODE
    try:
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
        os.chdir(folder)
        sys.argv = ["metatrain", *words]
        metatrain.main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int) -> tuple[int, resource.struct_rusage]:
    """Kill it where it takes too long."""
    until = time.monotonic() + _LIMIT_S + 1
    while time.monotonic() < until:
        pid, status, used = os.wait4(child, os.WNOHANG)
        if pid:
            return status, used
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    return status, used


def digest(folder: Path) -> str:
    """Of all files below it."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(json.dumps(str(path)).encode() + path.read_bytes())
    return total.hexdigest()


def tell(console: Console, outcomes: list[Outcome], took: float, overwritten: bool) -> None:
    """A line for each kind, and every problem with how to see it again."""
    for kind in KINDS:
        ours = [outcome for outcome in outcomes if outcome.kind == kind]
        if not ours:
            continue
        codes = Counter(outcome.code for outcome in ours)
        wrong = sum(bool(outcome.problem) for outcome in ours)
        console.print(
            f"{kind}: {len(ours)} inputs, exit codes {dict(sorted(codes.items()))}, slowest "
            f"{max(outcome.seconds for outcome in ours):.1f} s, most memory "
            f"{max(outcome.bytes for outcome in ours) / 1e6:.0f} MB, problems {wrong}"
        )
    for outcome in outcomes:
        if outcome.problem:
            again = f"--kind '{outcome.kind}' --number {outcome.number}"
            console.print(f"{outcome.problem}: {again}: {outcome.last_line}", markup=False)
    console.print(
        f"{len(outcomes)} inputs in {took:.0f} s, "
        f"{sum(bool(outcome.problem) for outcome in outcomes)} problems"
        f"{', and the material was changed' if overwritten else ''}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
