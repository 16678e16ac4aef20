"""The picture and the page of a run of text generation."""

import json
from html import escape

import numpy as np
import pytest
from small_runs import in_process
from small_voices import voices

from orchestrator.learner import Learner
from orchestrator.reporting.pictures import samples
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage.storage import Storage
from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Episode

pytestmark = pytest.mark.usefixtures("shared_runners")


# Each kind of block is traced for one shape, and once.
ONE_BY_ONE = [
    *["workers.block_size=1", "outer.meta_batch_size=2", "evaluation.validation_tasks=2"],
    "algorithm.first_order=true",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config = voices('name="voices"', *ONE_BY_ONE)
    folder = tmp_path_factory.mktemp("runs") / "run"
    run = TrainingRun(config, Storage(str(folder)), in_process(config), None)
    list(run.steps())
    run.draw(run.test())
    run.report()
    run.close()
    return folder


def test_the_page_shows_texts_before_and_after_and_bits_per_character(folder):
    page = (folder / "report.html").read_text()
    drawings = [path.read_text() for path in sorted((folder / "pictures").glob("*.json"))]
    assert len(drawings) == 3
    for drawing in drawings:
        for words in ("Shown: 3 texts", "Before:", "After 3 inner steps:", "bits per character"):
            assert words in drawing
    assert "bits per character on" in page
    assert page.count("Shown: 3 texts, of which</p>") == 3
    assert "bits_per_character" not in page
    result = json.loads((folder / "evaluation.json").read_text())
    assert result["metric"] == "bits_per_character"
    assert result["sign"] == -1
    row = result["per_step"][0]
    assert row["bits_per_character"] == pytest.approx(row["loss"] / np.log(2), rel=1e-5)


def test_the_samples_are_those_of_the_learner(folder):
    learner = Learner.load(folder)
    config = voices()
    family = in_process(config).family
    seed = config.evaluation.seed
    drawing = (folder / "report.html").read_text()
    from orchestrator.outer.blocks import held_out_blocks

    block = held_out_blocks(config, family, "test", 1, learner.recipe)[0]
    (message,) = family.display_text(block.specs)
    steps = max(config.evaluation.inner_steps)
    for text in learner.adapt(message.support, inner_steps=steps).generate(6, seed=seed):
        assert f">{escape(' '.join(text.split()))}<" in drawing


def test_what_looks_like_mathematics_stays_as_it_is():
    logits, targets = np.zeros((1, 2, 1, 2, 3)), np.zeros((1, 1, 2), int)
    message = DisplayText(["$a$ & b"], (), ["c"], (), (["$x^2$"], ["$y_1$"]))
    episode = Episode(targets, targets, targets, targets)
    figure = samples.draw(episode, logits, [1], "name", [message])
    assert {text.get_text().replace("\\", "") for text in figure.texts} >= {"$a$ & b", "$x^2$"}
    assert any("1.58 bits per character" in text.get_text() for text in figure.texts)
    figure.canvas.draw()
