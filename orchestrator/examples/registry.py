"""From the kind of a task family to the reader of a user's examples."""

from collections.abc import Callable
from typing import Any

from orchestrator.examples.examples import Reader
from orchestrator.examples.images import ImageReader
from orchestrator.examples.lines import LineReader
from orchestrator.examples.numbers import NumberReader
from orchestrator.examples.table_rows import TableReader
from orchestrator.examples.texts import MatchingReader, TextReader
from workers.settings.tasks import GivenTask


def _policy(task: Any, examples: GivenTask) -> Reader:
    """Policies learn from what they do."""
    raise ValueError(
        f"task.kind = {task.kind!r} has environments, in which a policy makes its own episodes: "
        "there are no examples to give it"
    )


READERS: dict[str, Callable[[Any, GivenTask], Reader]] = {
    "sinusoid": NumberReader,
    "images": ImageReader,
    "table": TableReader,
    "text": TextReader,
    "matching": MatchingReader,
    "generation": LineReader,
    "navigation": _policy,
    "gym": _policy,
}
