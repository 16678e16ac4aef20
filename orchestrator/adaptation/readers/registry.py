"""The registry of readers.

A new reader is a file with a class (see `Reader`), and a row here; families name it by its row.
"""

from typing import Any

from orchestrator.adaptation.readers.reader import Reader
from workers.settings.given_task import GivenTask
from workers.settings.registry import named

READERS = {
    "numbers": "orchestrator.adaptation.readers.numbers:NumberReader",
    "images": "orchestrator.adaptation.readers.images:ImageReader",
    "signals": "orchestrator.adaptation.readers.signals:SignalReader",
    "table": "orchestrator.adaptation.readers.table_rows:TableReader",
    "texts": "orchestrator.adaptation.readers.texts:TextReader",
    "matching": "orchestrator.adaptation.readers.texts:MatchingReader",
    "lines": "orchestrator.adaptation.readers.lines:LineReader",
    "navigation": "orchestrator.adaptation.user_environment:PointReader",
    "gym": "orchestrator.adaptation.user_environment:GymReader",
}


def make_reader(task: Any, shapes: GivenTask) -> Reader:
    """Make the reader of a run's family.

    Args:
      task: the run's settings of it. shapes: what its model must know of examples.
    """
    reader: Reader = named(READERS[task.reader])(task, shapes)
    return reader
