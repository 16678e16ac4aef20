"""The family of a user's own tasks, whose examples the user provides."""

from collections.abc import Sequence
from typing import Any

from workers.metrics import LossName
from workers.settings.losses.loss_settings import LossSettings
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.display_text import DisplayText
from workers.tasks.family import TaskFamily, raw_family
from workers.tasks.target_scaling import PER_TASK, scaled_by_support
from workers.wire.protocol import Draw, Episode, Specs, Split


class UserTaskFamily:
    """A family without a distribution: specs hold the examples, under the names of an Episode."""

    picture = ""
    digest = ""

    def __init__(self, settings: UserTaskShapes):
        self.loss: LossName = settings.loss
        self.loss_settings = settings.loss_settings
        self.input_shape = settings.input_shape
        self.num_outputs = settings.num_outputs
        self.num_train_classes = settings.num_train_classes
        self.num_tokens = settings.num_tokens
        self.preparation = settings.preparation

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """Raise ValueError: there is nothing to draw from."""
        raise ValueError("a user's own tasks can be adapted to, not drawn")

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Return the examples of the specs, scaled by task if the model was trained so."""
        assert not global_labels, "a user's own tasks are not trained on"
        episode = Episode(*(specs[name] for name in Episode._fields))
        return scaled_by_support(episode) if PER_TASK in self.preparation else episode

    def showcase(self, specs: Specs) -> Specs:
        """Return the specs unchanged."""
        return specs

    def describe(self) -> dict[str, Any]:
        """Describe the source; nothing is stored."""
        return {"source": "handed over"}

    def names(self, specs: Specs) -> list[str]:
        """Return "" for each task: the user knows their names."""
        return [""] * len(specs["support_inputs"])

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Return (): the tasks have no text."""
        return ()

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return that the tasks are the user's."""
        return {"tasks_from": "handed over"}


def user_task_shapes(family: TaskFamily) -> UserTaskShapes:
    """Return what a model of `family` must know of a user's own tasks, with raw inputs."""
    raw = raw_family(family)
    return UserTaskShapes(
        loss=family.loss,
        loss_settings=getattr(family, "loss_settings", LossSettings()),
        input_shape=raw.input_shape,
        num_outputs=family.num_outputs,
        num_train_classes=family.num_train_classes,
        num_tokens=raw.num_tokens,
        preparation=family.preparation,
    )
