"""An artefact of a line, and a reader that changes nothing."""

import numpy as np
from small_configs import sinusoid

from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.readers.reader import Reader
from orchestrator.outer.state import MetaState
from workers.settings.user_task_shapes import UserTaskShapes
from workers.wire.protocol import Recipe


def linear() -> Artefact:
    """A line through (0, 1) with slope 2, to be adapted by two steps of rate 0.1."""
    config = sinusoid("model.kind=linear", "algorithm.inner_lr=0.1")
    theta = [np.array([[2.0]], np.float32), np.array([1.0], np.float32)]
    return Artefact(
        config=config,
        examples=UserTaskShapes(loss="mse", input_shape=(1,), num_outputs=1),
        recipe=Recipe(0.1, 2),
        state=MetaState(12, theta, ["head/kernel", "head/bias"]),
        protocol={"method": "MAML, second order", "transductive": False},
        origin="runs/small, ckpt-00000012",
    )


class AsTheyAre(Reader):
    """Numbers without units."""

    def read(self, source, role, columns):
        raise AssertionError

    inputs = read


as_they_are = AsTheyAre()
