import io

import numpy as np
from small_artefacts import as_they_are, linear

from orchestrator.adaptation.predictions import Predictions
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.cli.adapt.adapt_report import show
from orchestrator.text.console import Console
from workers.losses.registry import make_loss
from workers.losses.scoring import Scorer


def test_names_that_look_like_markup_are_shown_as_they_are():
    inputs = np.zeros((2, 1), np.float32)
    classes = ["[red]apple", "[/b]"]
    task = UserTask("", classes, inputs, np.arange(2), inputs, np.arange(2), np.arange(2))
    outputs = np.zeros((3, 2, 2), np.float32) + np.eye(2, dtype=np.float32)
    console = Console(file=io.StringIO(), width=120)
    source = linear()
    one = Predictions.of(task, outputs, as_they_are, Scorer(make_loss("cross_entropy")))
    show(console, source, source.recipe, [one], ["[x]pear.png", "[/y].png"])
    text = console.file.getvalue()
    for name in (*classes, "[x]pear.png", "[/y].png"):
        assert name in text


def test_labels_are_shown_with_probabilities_and_means_with_deviations():
    inputs = np.zeros((1, 1), np.float32)
    for loss, outputs, told in (
        ("binary_cross_entropy", [-2.0, 2.0], "0 (12%), 1 (88%)"),
        ("gaussian_nll", [1.5, np.log(0.25)], "1.5 ± 0.25"),
    ):
        task = UserTask("", None, inputs, inputs, inputs, None, np.arange(1))
        by_step = np.full((3, 1, 2), outputs, np.float32)
        one = Predictions.of(task, by_step, as_they_are, Scorer(make_loss(loss)))
        console = Console(file=io.StringIO(), width=120)
        source = linear()
        show(console, source, source.recipe, [one], ["first"])
        assert told in console.file.getvalue()
