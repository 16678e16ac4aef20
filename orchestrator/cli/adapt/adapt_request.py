"""The arguments of `metatrain adapt`, and the tasks that they name."""

from dataclasses import dataclass
from pathlib import Path

from orchestrator.adaptation.readers.reader import Columns, Examples, Reader
from orchestrator.adaptation.run_facts import RunFacts
from orchestrator.adaptation.user_tasks import UserTask, few_queries_warning, make_tasks
from orchestrator.reporting.notes import show_note


@dataclass(frozen=True, slots=True)
class AdaptRequest:
    """The arguments of `metatrain adapt`."""

    source: str
    support: str | None
    query: str | None
    columns: Columns
    inner_steps: int | None = None
    inner_lr: float | None = None
    statistics: str | None = None
    coverage: float | None = None
    workers: str = "0"
    out: Path | None = None
    save_model: Path | None = None
    verbose: bool = False
    as_json: bool = False


def check_support(request: AdaptRequest) -> None:
    """Raise ValueError if there is nothing to adapt to."""
    if request.support is None:
        raise ValueError("there is nothing to adapt to; give --support FILE")


def read_tasks(
    request: AdaptRequest, source: RunFacts, reader: Reader
) -> tuple[Examples, list[UserTask]]:
    """Read the query set, and make the tasks; notes say what was done to examples.

    Raises:
      ValueError: a set is missing, cannot be read, or does not fit the model.
    """
    if request.query is None:
        raise ValueError("there is nothing to predict; give --query FILE")
    assert request.support is not None
    support = reader.read(request.support, "support", request.columns)
    query = reader.read(request.query, "query", request.columns)
    tasks = make_tasks(source.examples, support, query)
    for note in [*support.notes, *query.notes]:
        show_note(note)
    tasks = [reader.assemble(task) for task in tasks]
    fewest = min(len(task.query_inputs) for task in tasks)
    if warning := few_queries_warning(source, fewest):
        show_note(warning)
    unused = {source.examples.num_outputs - len(task.classes) for task in tasks if task.classes}
    if unused - {0} and not source.examples.any_ways:
        show_note(
            f"the model was trained on tasks of {source.examples.num_outputs} classes; with fewer, "
            "its other outputs are left out"
        )
    return query, tasks
