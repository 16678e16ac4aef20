"""Tasks that somebody hands over, examples and all."""

from collections.abc import Sequence
from typing import Any

from workers.metrics import LossName
from workers.settings.given_task import GivenTask
from workers.tasks.display_text import DisplayText
from workers.tasks.family import TaskFamily
from workers.tasks.target_scaling import PER_TASK, scaled_by_support
from workers.wire.protocol import Draw, Episode, Specs, Split


class GivenFamily:
    """No distribution: the specs are the examples themselves, under the names of an Episode."""

    picture = ""
    digest = ""

    def __init__(self, settings: GivenTask):
        self.loss: LossName = settings.loss
        self.input_shape = settings.input_shape
        self.num_outputs = settings.num_outputs
        self.num_train_classes = settings.num_train_classes
        self.num_tokens = settings.num_tokens
        self.preparation = settings.preparation

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Specs:
        """There is nothing to draw from."""
        raise ValueError("tasks that were handed over can be adapted to, not drawn")

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """What was handed over."""
        assert not global_labels, "what is handed over is not trained on"
        episode = Episode(*(specs[name] for name in Episode._fields))
        return scaled_by_support(episode) if PER_TASK in self.preparation else episode

    def showcase(self, specs: Specs) -> Specs:
        """As they are."""
        return specs

    def describe(self) -> dict[str, Any]:
        """Nothing is kept."""
        return {"source": "handed over"}

    def names(self, specs: Specs) -> list[str]:
        """Whoever hands tasks over knows their names."""
        return [""] * len(specs["support_inputs"])

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Numbers say it all."""
        return ()

    def protocol(self, split: Split) -> dict[str, Any]:
        """Whoever hands tasks over knows where they are from."""
        return {"tasks_from": "handed over"}


def given_task(family: TaskFamily) -> GivenTask:
    """What a model of `family` must know of tasks that are handed over to it."""
    return GivenTask(
        loss=family.loss,
        input_shape=family.input_shape,
        num_outputs=family.num_outputs,
        num_train_classes=family.num_train_classes,
        num_tokens=family.num_tokens,
        preparation=family.preparation,
    )
