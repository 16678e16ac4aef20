"""Reader of a user's texts for a language model: a text file, a table, or strings."""

from pathlib import Path
from typing import Any

from orchestrator.adaptation.readers.reader import Columns, Examples, Reader, Role
from orchestrator.adaptation.readers.strings import named_texts
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.table.rows import Rows
from workers.tasks.table.table_files import SUFFIXES
from workers.tasks.text.characters import Characters, Sequences
from workers.wire.errors import DataError
from workers.wire.protocol import Array

_TEXT = ".txt"
_MOST_SHOWN = 5


class LineReader(Reader):
    """A reader of one text per line, or of a column: the run's, or the one that is named."""

    def __init__(self, task: Any, shapes: UserTaskShapes):
        self._task = task
        self._characters = Characters.from_dict(shapes.preparation["characters"])

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """Read a .txt file, without its empty lines, or a table."""
        path = Path(source).expanduser()
        suffix = path.suffix.lower()
        if suffix not in (_TEXT, *SUFFIXES) or not path.is_file():
            what = "is not a file" if not path.is_file() else "is not a text or table"
            allowed = f"{_TEXT}, {', '.join(SUFFIXES)}"
            raise DataError(f"--{role} {source} {what}; give a file that ends in {allowed}")
        notes = list[str]()
        if suffix == _TEXT:
            by_name, num_empty = _read_lines(path)
            tasks = [""] * len(by_name)
            if num_empty:
                notes.append(f"--{role}: empty lines are left out: {num_empty}")
        else:
            by_name, tasks = self._read_table(path, columns)
        sequences = self._encode(by_name)
        texts = list(by_name.values())
        notes += self._notes(role, texts)
        return Examples(sequences.inputs, sequences.targets, texts, tasks, notes)

    def inputs(self, texts: Any) -> Array:
        """Encode strings as inputs, int32 [n, length]."""
        return self._encode(named_texts(texts)).inputs

    def targets(self, texts: Any) -> Array:
        """Encode the same strings as targets, the next tokens: int32 [n, length], -1 as padding."""
        return self._encode(named_texts(texts)).targets

    def _notes(self, role: Role, texts: list[str]) -> list[str]:
        unknown = self._characters.unknown(texts)
        if not unknown:
            return []
        shown = ", ".join(map(repr, unknown[:_MOST_SHOWN])) + ", ..." * (len(unknown) > _MOST_SHOWN)
        return [
            f"--{role}: {len(unknown)} {self._characters.kind} that no training task has are a "
            f"single token to the model, which it never generates: {shown}"
        ]

    def _encode(self, by_name: dict[str, str]) -> Sequences:
        return self._characters.encode(by_name, self._task.long_texts == "cut")

    def _read_table(self, path: Path, columns: Columns) -> tuple[dict[str, str], list[str]]:
        inputs = columns.inputs or (self._task.text_column,)
        if len(inputs) > 1:
            raise DataError(f"--input-column {', '.join(inputs)}: a text is in a single column")
        rows = Rows(path, [name for name in (inputs[0], columns.task) if name])
        rows.check_texts(inputs[0], "--input-column")
        if columns.task:
            rows.check(columns.task, "--task-column")
        texts = rows.texts(inputs[0])
        by_name = {f"{path}: row {row}": text for row, text in enumerate(texts)}
        for where, text in by_name.items():
            if not text.strip():
                raise DataError(f"{where} has an empty {inputs[0]!r}; leave the row out")
        return by_name, rows.texts(columns.task) if columns.task else [""] * len(texts)


def _read_lines(path: Path) -> tuple[dict[str, str], int]:
    """Read the lines by their names in errors, and count the empty ones between them."""
    by_name: dict[str, str] = {}
    lines = path.read_bytes().splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, start=1):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise DataError(f"{path}: line {number} is not UTF-8") from None
        if text.strip():
            by_name[f"{path}: line {number}"] = text
    if not by_name:
        raise DataError(f"{path} has no text")
    return by_name, len(lines) - len(by_name)
