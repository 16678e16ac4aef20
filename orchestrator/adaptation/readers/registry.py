"""From the kind of a task family to the reader of a user's examples."""

from collections.abc import Callable
from typing import Any

from orchestrator.adaptation.readers.images import ImageReader
from orchestrator.adaptation.readers.lines import LineReader
from orchestrator.adaptation.readers.no_reader import NoReader
from orchestrator.adaptation.readers.numbers import NumberReader
from orchestrator.adaptation.readers.reader import Reader
from orchestrator.adaptation.readers.table_rows import TableReader
from orchestrator.adaptation.readers.texts import MatchingReader, TextReader
from workers.settings.tasks import GivenTask

READERS: dict[str, Callable[[Any, GivenTask], Reader]] = {
    "sinusoid": NumberReader,
    "images": ImageReader,
    "table": TableReader,
    "text": TextReader,
    "matching": MatchingReader,
    "generation": LineReader,
    "navigation": NoReader,
    "gym": NoReader,
}
