"""Every picture and every page, for runs, classes and texts with hostile names."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hostile_names import NAMES, obeyed_in
from page_reader import Reader
from PIL import Image
from small_configs import sinusoid
from small_runs import in_process

from orchestrator.reporting.drawing import drawing
from orchestrator.reporting.page.comparison import comparison_of
from orchestrator.reporting.page.page import page_of
from orchestrator.reporting.page.run_folder import read_run
from orchestrator.reporting.pictures.registry import PICTURES
from orchestrator.reporting.pictures.render import draw
from orchestrator.reporting.svg_element import svg
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage.storage import Storage
from orchestrator.sweep.dimension import Dimension
from orchestrator.sweep.page.sweep_pictures import parallel_coordinates
from orchestrator.sweep.rows import Row
from orchestrator.text.plain_text import printable
from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Episode

# Several at once, since a page takes a second.
SHORT = " ".join(name for name in NAMES.values() if len(name) < 100)
hostile = pytest.mark.parametrize(
    "name",
    [
        pytest.param(SHORT, id="all"),
        pytest.param(NAMES["a formula"], id="a formula", marks=pytest.mark.slow),
        pytest.param(NAMES["very long"], id="very long", marks=pytest.mark.slow),
    ],
)
TAKEN_FROM_TEXTS = ("signal_episode", "confusion", "image_episode", "text_episode", "samples")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Make the content of a finished run's files."""
    config = sinusoid("outer.steps=4")
    storage = Storage(str(tmp_path_factory.mktemp("run")))
    training = TrainingRun(config, storage, in_process(config), None)
    list(training.steps())
    training.draw(training.test())
    training.report()
    training.close()
    return read_run(storage)


@pytest.fixture(scope="module")
def shown(run):
    """Build the page of a run with harmless names."""
    return Reader(page_of(run).decode())


@pytest.fixture(scope="module")
def compared(run):
    """Build the page of two such runs."""
    other = replace(run, location="runs/b")
    return Reader(comparison_of([called(run, "a"), other]).decode())


def called(run, name):
    """Return the run with `name` wherever a user may have written something."""
    return replace(
        run,
        name=name,
        location=f"runs/{name}",
        config={**run.config, "name": name, "task": {"kind": name}},
        configuration=f"name = {name}",
        openings=[replace(run.openings[0], command=name, ended=f"failed: {name}", pool=name)],
        no_animation=name,
        result=run.result.model_copy(update={"protocol": {**run.result.protocol, "model": name}}),
    )


@hostile
def test_a_page_shows_names_and_obeys_none(run, shown, name):
    page = page_of(called(run, name)).decode()
    reader = Reader(page)
    assert obeyed_in(page) == []
    assert reader.tags == shown.tags
    assert printable(name, keep="\n\t") in reader.text


@hostile
def test_a_comparison_shows_names_and_obeys_none(run, compared, name):
    other = replace(run, location="runs/b")
    page = comparison_of([called(run, name), other]).decode()
    assert obeyed_in(page) == []
    assert Reader(page).tags == compared.tags


@hostile
@pytest.mark.parametrize("picture", TAKEN_FROM_TEXTS)
def test_a_picture_shows_names_and_obeys_none(picture, name):
    """Its title, classes and texts are hostile."""
    number = len(NAMES)
    shape = (1, 2, number, 3, 4) if picture == "samples" else (1, 2, number, number)
    targets = np.arange(number)[None]
    pixels = np.zeros((1, number, 8, 8, 1))
    names = list(NAMES.values())
    words = DisplayText(names, [names] * number, names, [names] * number, (names, names))
    if picture == "samples":
        targets = np.zeros((1, number, 3), int)
    episode = Episode(pixels, targets, pixels, targets)
    pictures = draw(picture, episode, np.zeros(shape), [1], name, [words])
    Image.open(io.BytesIO(pictures.png)).verify()
    for drawn in pictures.svgs:
        assert obeyed_in(drawn) == []
        assert "<script" not in drawn


def test_the_other_pictures_show_no_words():
    others = {"curves", "forecast", "predicted", "paths", "observed"}
    assert set(PICTURES) - set(TAKEN_FROM_TEXTS) == others


def test_a_sweeps_picture_shows_values_and_obeys_none():
    names = list(NAMES.values())
    rows = {i: Row(str(i), {"task.path": item}, score=i) for i, item in enumerate(names)}
    with drawing():
        made = parallel_coordinates(rows, {"task.path": Dimension(choice=names)}, "loss")
        assert obeyed_in(svg(made, "".join(names))) == []
