"""Valid files of every kind for fuzz.py, and the commands that read them."""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fuzz_changes import change
from PIL import Image


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    share: share of all inputs.
    files: files below the material's folder that may be changed.
    words: the command; {} is the folder.
    """

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


def plan(inputs: int, only: str | None = None) -> Iterator[tuple[str, int]]:
    """Yield kinds and numbers of inputs, by the kinds' shares."""
    total = sum(kind.share for kind in KINDS.values())
    for name, kind in KINDS.items():
        count = inputs if only == name else round(inputs * kind.share / total) if not only else 0
        yield from ((name, number) for number in range(count))


def make_material(folder: Path, call: Callable[[list[list[str]], Path], None]) -> Path:
    """Make valid files of every kind, for which a small run is trained.

    Args:
      call: runs `metatrain WORDS` in a folder, for each of the WORDS.
    """
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
    few = ("outer.steps=2", "evaluation.tasks=4", "evaluation.validation_tasks=4")
    small = [f"--set={key}" for key in (*few, "runtime.xla=false")]
    train = ["train", "sinusoid", *small, "--workers", "0", "--out", "run"]
    call([train, ["export", "run", "run.metatrain"]], folder)
    shutil.copy(folder / "run" / "config.toml", folder / "run.toml")
    return folder


def damage(folder: Path, kind: str, seed: int, number: int, cache: Path) -> list[str]:
    """Change a file below `folder`, and return the words of the command that reads it."""
    chosen = KINDS[kind]
    rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
    file = folder / chosen.files[rng.integers(len(chosen.files))]
    file.write_bytes(change(rng, file.read_bytes()))
    words = [word.replace("{}", str(folder)) for word in chosen.words]
    return words + (["--set", f"task.cache={cache}"] if kind in ("images", "image zip") else [])
