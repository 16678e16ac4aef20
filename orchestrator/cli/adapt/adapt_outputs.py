"""The files that the adapting commands write: a table of predictions, and models."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.reporting.notes import RESULTS
from orchestrator.text.plain_text import file_name

if TYPE_CHECKING:  # imports Arrow, which help must not wait for
    from orchestrator.storage.targets import NewFile

#: Writes the model of a task, given its name and content, and returns its path.
SaveModel = Callable[[str, bytes], Path]


class Outputs:
    """The claimed output files; at the end each is complete or does not exist.

    saves_models: whether models were requested. suffix: of their file.
    """

    def __init__(self, table: "NewFile | None", models: "NewFile | None"):
        self._table, self._models = table, models
        self.saves_models = models is not None
        self.suffix = "" if models is None else models.path.suffix

    def check_models(self, tasks: Sequence[UserTask], allowed: Sequence[str] = (".keras",)) -> None:
        """Check the names of the models' files, before they are made.

        Args:
          allowed: suffixes of a single model's file.
        Raises:
          ValueError: a model cannot have the file name it would get, or lacks a package.
        """
        if self._models is None:
            return
        from orchestrator.adaptation.checks import check_model_name
        from workers.export.onnx_packages import check_packages

        if len(tasks) == 1:
            check_model_name(self._models.path, allowed)
            check_packages(self.suffix)
        elif self.suffix not in ("", ".keras") and self.suffix in allowed:
            raise ValueError(
                f"--save-model {self._models.path}: several tasks are saved as a folder of .keras "
                "files; give it another name"
            )
        for task in tasks if len(tasks) > 1 else ():
            if task.name != file_name(task.name):
                raise ValueError(
                    f"--save-model: the task {task.name!r} cannot be the name of a file"
                )

    def write_table(self, make: Callable[[], Any]) -> None:
        """Write the table of `make` as Parquet or CSV, if requested. Raises MetatrainError."""
        if self._table is None:
            return
        encode = _as_csv if self._table.path.suffix == ".csv" else _as_parquet
        self._table.write(encode(make()))
        RESULTS.print(f"written: {self._table.path}", markup=False)

    @contextmanager
    def models(self, num_tasks: int) -> Iterator[SaveModel]:
        """Open the models: one file, or a folder with one file a task that appears when complete.

        Raises:
          MetatrainError: they cannot be written.
        """
        assert self._models is not None
        if num_tasks == 1:
            yield self._save_one
            return
        with self._models.as_folder() as folder:
            yield lambda name, content: folder.write(f"{name}.keras", content)
            folder.publish()

    def _save_one(self, name: str, content: bytes) -> Path:
        assert self._models is not None
        self._models.write(content)
        return self._models.path


@contextmanager
def open_outputs(out: Path | None, save_model: Path | None) -> Iterator[Outputs]:
    """Claim the output files, before any other work.

    Raises:
      ValueError: a file exists, has another suffix, or cannot be written.
    """
    if out is not None and out.suffix not in (".parquet", ".csv"):
        raise ValueError(f"--out {out}: predictions are written as .parquet or .csv")
    if out is None and save_model is None:
        yield Outputs(None, None)
        return
    from orchestrator.storage.targets import open_file

    with ExitStack() as opened:
        table, models = (
            None if path is None else opened.enter_context(open_file(path, option, kind))
            for option, path, kind in (("--out", out, "file"), ("--save-model", save_model, "name"))
        )
        yield Outputs(table, models)


def _as_parquet(table: Any) -> bytes:
    import pyarrow.parquet as pq

    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


def _as_csv(table: Any) -> bytes:
    """Encode a table as CSV; lists become JSON."""
    content = io.StringIO(newline="")
    writer = csv.writer(content)
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow(
            json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
            for value in row.values()
        )
    return content.getvalue().encode()
