"""Lines of one's own, for a model to go on with: a text file, a table, or strings."""

from pathlib import Path
from typing import Any

from orchestrator.adaptation.readers.reader import Columns, Examples, Reader, Role
from orchestrator.adaptation.readers.strings import named_texts
from workers.settings.given_task import GivenTask
from workers.tasks.table.rows import Rows
from workers.tasks.table.table_files import SUFFIXES
from workers.tasks.text.characters import Characters, Sequences
from workers.wire.errors import DataError
from workers.wire.protocol import Array

_TEXT = ".txt"
_MOST_SHOWN = 5


class LineReader(Reader):
    """A text a line, or in the run's own column, or in the one that is named."""

    def __init__(self, task: Any, shapes: GivenTask):
        self._task = task
        self._characters = Characters.from_dict(shapes.preparation["characters"])

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """A .txt file, empty lines left out, or a table."""
        path = Path(source).expanduser()
        suffix = path.suffix.lower()
        if suffix not in (_TEXT, *SUFFIXES) or not path.is_file():
            what = "is no file" if not path.is_file() else "is no text or table"
            allowed = f"{_TEXT}, {', '.join(SUFFIXES)}"
            raise DataError(f"--{role} {source} {what}; give a file that ends in {allowed}")
        notes = list[str]()
        if suffix == _TEXT:
            named, num_empty = _of_text(path)
            tasks = [""] * len(named)
            if num_empty:
                notes.append(f"--{role}: empty lines are left out: {num_empty}")
        else:
            named, tasks = self._of_table(path, columns)
        sequences = self._encode(named)
        texts = list(named.values())
        notes += self._notes(role, texts)
        return Examples(sequences.inputs, sequences.targets, texts, tasks, notes)

    def inputs(self, given: Any) -> Array:
        """Strings -> int32 [n, length]."""
        return self._given(given).inputs

    def targets(self, given: Any) -> Array:
        """The same strings -> what is to be said: int32 [n, length], -1 where one has ended."""
        return self._given(given).targets

    def _notes(self, role: Role, texts: list[str]) -> list[str]:
        unknown = self._characters.unknown(texts)
        if not unknown:
            return []
        shown = ", ".join(map(repr, unknown[:_MOST_SHOWN])) + ", ..." * (len(unknown) > _MOST_SHOWN)
        return [
            f"--{role}: {len(unknown)} {self._characters.kind} that no training task has are one "
            f"token to the model, and none that it says: {shown}"
        ]

    def _given(self, given: Any) -> Sequences:
        return self._encode(named_texts(given))

    def _encode(self, named: dict[str, str]) -> Sequences:
        return self._characters.encode(named, self._task.long_texts == "cut")

    def _of_table(self, path: Path, columns: Columns) -> tuple[dict[str, str], list[str]]:
        inputs = columns.inputs or (self._task.text_column,)
        if len(inputs) > 1:
            raise DataError(f"--input-column {', '.join(inputs)}: a text is in a single column")
        rows = Rows(path, [name for name in (inputs[0], columns.task) if name])
        rows.check_texts(inputs[0], "--input-column")
        if columns.task:
            rows.check(columns.task, "--task-column")
        texts = rows.texts(inputs[0])
        named = {f"{path}: row {row}": text for row, text in enumerate(texts)}
        for where, text in named.items():
            if not text.strip():
                raise DataError(f"{where} has an empty {inputs[0]!r}; leave the row out")
        return named, rows.texts(columns.task) if columns.task else [""] * len(texts)


def _of_text(path: Path) -> tuple[dict[str, str], int]:
    """The lines by what they are called, and how many empty ones are between them."""
    named: dict[str, str] = {}
    lines = path.read_bytes().splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, start=1):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise DataError(f"{path}: line {number} is no UTF-8") from None
        if text.strip():
            named[f"{path}: line {number}"] = text
    if not named:
        raise DataError(f"{path} has no text")
    return named, len(lines) - len(named)
