"""Reading a run's folder, finished or not, without TensorFlow or data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.config.sources import parse_toml
from orchestrator.records.history import HistoryEntry, read_history
from orchestrator.records.metrics_log import read_whole_rows
from orchestrator.records.result import Result, read_result
from orchestrator.records.task_scores import TaskScores, read_task_scores
from orchestrator.reporting.picture_files import ANIMATION, FOLDER, NO_ANIMATION, TASK
from orchestrator.reporting.pictures.lines import Line, read_lines
from orchestrator.storage.storage import Storage

#: The page's file in a run's folder.
PAGE = "report.html"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The content of a run's files.

    location: folder or URI.
    name: name in its configuration.
    config: table of its configuration.
    configuration: text of its configuration.
    rows: rows of metrics.jsonl that can be read.
    num_damaged: number of the other rows.
    result: content of evaluation.json; None before the end.
    openings: content of history.json; none in older runs.
    drawings: an SVG per task.
    picture: a PNG, for runs without SVG.
    animation: a WebP of episodes, for policies only.
    no_animation: why there is none.
    task_scores: scores of each test task; None in older runs.
    texts: lines of text per task, for tasks that are shown by lines.
    """

    location: str
    name: str
    config: Mapping[str, Any]
    configuration: str
    rows: Sequence[Mapping[str, Any]]
    num_damaged: int
    result: Result | None
    openings: Sequence[HistoryEntry]
    drawings: Sequence[str]
    picture: bytes
    animation: bytes = b""
    no_animation: str = ""
    task_scores: TaskScores | None = None
    texts: Sequence[Sequence[Line]] = ()

    @property
    def step(self) -> int:
        """Outer steps done."""
        last = self.rows[-1]["step"] if self.rows else 0
        return max([last, *(opening.last_step for opening in self.openings)])

    @property
    def seconds(self) -> float:
        """Seconds of training, in all outer steps together."""
        return sum(row.get("seconds", 0.0) for row in self.rows)

    @property
    def commands(self) -> list[str]:
        """Commands that opened the run, each once."""
        return list(dict.fromkeys(o.command for o in self.openings if o.command))

    @property
    def num_steps(self) -> int:
        """Outer steps of the configuration."""
        return int(self.config.get("outer", {}).get("steps", self.step))

    @property
    def inner_steps(self) -> list[int]:
        """Inner steps whose scores are shown, from 0 on."""
        if self.result is None:
            return []
        configured = self.config.get("evaluation", {}).get("inner_steps", [])
        last = len(self.result.per_step) - 1
        return self.result.unit.shown([*configured, self.result.inner_steps], last)


def read_run(storage: Storage) -> RunFolder:
    """Read a run's folder.

    Raises:
      ValueError: it holds no run, or a file that no run writes.
    """
    _check_is_run(storage)
    text = _decoded(storage, "config.toml")
    try:
        config = parse_toml(text)
    except ValueError as error:
        raise ValueError(f"{storage.place('config.toml')} is not TOML: {error}") from None
    rows, num_damaged = read_whole_rows(storage)
    files = storage.list(FOLDER)
    texts = [name for name in files if name.startswith(TASK) and name.endswith(".json")]
    names = [name for name in files if name.endswith(".svg")] if not texts else []
    has_png = storage.exists("picture.png")
    return RunFolder(
        location=storage.location,
        name=str(config.get("name", storage.name)),
        config=config,
        configuration=text,
        rows=rows,
        num_damaged=num_damaged,
        result=read_result(storage),
        task_scores=read_task_scores(storage),
        openings=read_history(storage),
        drawings=[_decoded(storage, f"{FOLDER}/{name}") for name in names],
        picture=storage.read("picture.png") if has_png and not names and not texts else b"",
        animation=storage.read(ANIMATION) if storage.exists(ANIMATION) else b"",
        no_animation=_decoded(storage, NO_ANIMATION) if storage.exists(NO_ANIMATION) else "",
        texts=[read_lines(storage.read(f"{FOLDER}/{name}")) for name in texts],
    )


def _check_is_run(storage: Storage) -> None:
    if storage.exists("config.toml"):
        return
    if storage.exists("sweep.json"):
        raise ValueError(
            f"{storage.location} is a sweep's folder, whose page is "
            f"{storage.place('report.html')}; give runs, which are below "
            f"{storage.place('trials')}"
        )
    if storage.exists("seeds.json"):
        raise ValueError(
            f"{storage.location} holds the runs of several seeds, whose page is "
            f"{storage.place('report.html')}; give runs, which are {storage.place('seed-0')} and "
            "the like"
        )
    raise ValueError(f"{storage.location} holds no run (no config.toml); give the folder of one")


def _decoded(storage: Storage, name: str) -> str:
    try:
        return storage.read(name).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{storage.place(name)} is not text: {error}") from None
