"""The function that builds a task family from its settings."""

from typing import TYPE_CHECKING

from workers.settings.registry import named
from workers.settings.task import AnyTask, Progress
from workers.tasks.family import TaskFamily

if TYPE_CHECKING:
    from workers.models.model import Model


def _silent(done: int, total: int) -> None:
    """Ignore the progress."""


def make_family(
    settings: AnyTask,
    model: "Model | None" = None,
    progress: Progress = _silent,
    embedding: Progress = _silent,
) -> TaskFamily:
    """Open the family's data, and compute their features if the model has a backbone.

    Args:
      model: None for the examples themselves, whatever the model gets of them.
      progress, embedding: called with (done, total) while data are read, and features computed.
    Raises:
      DataError: the data cannot be read. ValueError: the backbone does not fit them.
    """
    family = settings.open(progress)
    if model is None or model.backbone is None:
        return family
    featured: TaskFamily = named(settings.feature_family)(family, settings, model, embedding)
    return featured
