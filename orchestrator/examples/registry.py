"""From the kind of a task family to the reader of a user's examples."""

from collections.abc import Callable
from typing import Any

from orchestrator.examples.examples import Reader
from orchestrator.examples.images import ImageReader
from orchestrator.examples.lines import LineReader
from orchestrator.examples.no_examples import NoReader
from orchestrator.examples.numbers import NumberReader
from orchestrator.examples.table_rows import TableReader
from orchestrator.examples.texts import MatchingReader, TextReader
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
