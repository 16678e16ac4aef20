"""The registry of readers.

A new reader is a file with a class (see `Reader`), and a row here; families name it by its row.
"""

from typing import Any

from orchestrator.adaptation.readers.reader import Reader
from workers.settings.registry import named
from workers.settings.user_task_shapes import UserTaskShapes

READERS = {
    "numbers": "orchestrator.adaptation.readers.numbers:NumberReader",
    "arrays": "orchestrator.adaptation.readers.arrays_file:ArrayReader",
    "images": "orchestrator.adaptation.readers.images:ImageReader",
    "signals": "orchestrator.adaptation.readers.signals:SignalReader",
    "table": "orchestrator.adaptation.readers.table_rows:TableReader",
    "texts": "orchestrator.adaptation.readers.texts:TextReader",
    "matching": "orchestrator.adaptation.readers.texts:MatchingReader",
    "lines": "orchestrator.adaptation.readers.lines:LineReader",
    "navigation": "orchestrator.adaptation.user_environment:PointReader",
    "gym": "orchestrator.adaptation.user_environment:GymReader",
}


def make_reader(task: Any, shapes: UserTaskShapes) -> Reader:
    """Make the reader of a run's family.

    Args:
      task: the family's settings in the run. shapes: what its model must know of examples.
    """
    reader: Reader = named(READERS[task.reader])(task, shapes)
    return reader
