import io

import numpy as np
from small_artefacts import as_they_are, linear

from orchestrator.adaptation.predictions import Predictions
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.cli.adapt.adapt_report import show
from orchestrator.text.console import Console


def test_names_that_look_like_markup_are_shown_as_they_are():
    inputs = np.zeros((2, 1), np.float32)
    classes = ["[red]apple", "[/b]"]
    task = UserTask("", classes, inputs, np.arange(2), inputs, np.arange(2), np.arange(2))
    outputs = np.zeros((3, 2, 2), np.float32) + np.eye(2, dtype=np.float32)
    console = Console(file=io.StringIO(), width=120)
    source = linear()
    one = Predictions.of(task, outputs, as_they_are)
    show(console, source, source.recipe, [one], ["[x]pear.png", "[/y].png"])
    text = console.file.getvalue()
    for name in (*classes, "[x]pear.png", "[/y].png"):
        assert name in text
