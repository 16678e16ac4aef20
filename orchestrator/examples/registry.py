"""The registry of readers.

A new reader is a file with a class (see `Reader`), and a row here; families name it by its row.
"""

from typing import Any

from orchestrator.examples.examples import Reader
from workers.settings.given_task import GivenTask
from workers.settings.registry import named

READERS = {
    "numbers": "orchestrator.examples.numbers:NumberReader",
    "images": "orchestrator.examples.images:ImageReader",
    "table": "orchestrator.examples.table_rows:TableReader",
    "texts": "orchestrator.examples.texts:TextReader",
    "matching": "orchestrator.examples.texts:MatchingReader",
    "lines": "orchestrator.examples.lines:LineReader",
    "navigation": "orchestrator.own_environment:PointReader",
    "gym": "orchestrator.own_environment:GymReader",
}


def make_reader(task: Any, shapes: GivenTask) -> Reader:
    """Make the reader of a run's family.

    Args:
      task: the run's settings of it. shapes: what its model must know of examples.
    """
    reader: Reader = named(READERS[task.reader])(task, shapes)
    return reader
