import re

import numpy as np
import pytest

from orchestrator.reporting.page.panel import legend, panel
from orchestrator.reporting.pictures import confusion, curves, image_episode, predicted
from orchestrator.reporting.pictures.render import draw
from orchestrator.reporting.svg_element import svg
from orchestrator.storage.storage import Storage
from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Episode


def sinusoids(tasks=2):
    x = np.tile(np.linspace(-1, 1, 20)[None, :, None], (tasks, 1, 1))
    return Episode(x[:, :3], x[:, :3], x, x), np.zeros((tasks, 6, 20, 1))


def images(ways=3, queries=4):
    """One task; every query is of class 1, and taken for that after the last inner step alone."""
    pixels = np.random.default_rng(0).random((1, ways + queries, 8, 8, 1))
    targets = np.ones((1, queries), int)
    outputs = np.zeros((1, 4, queries, ways))
    outputs[0, 3, :, 1] = 1.0
    support = np.arange(ways)[None]
    return Episode(pixels[:, :ways], support, pixels[:, ways:], targets), outputs


def values(tasks=2):
    """Each query is predicted to be 0 before, and what it is after the last inner step alone."""
    targets = np.arange(4.0).reshape(1, 4, 1).repeat(tasks, axis=0)
    inputs = np.zeros((tasks, 4, 3))
    outputs = np.zeros((tasks, 4, 4, 1))
    outputs[:, 3] = targets
    return Episode(inputs, targets + 1, inputs, targets), outputs


def captions(figure):
    return [axes.get_title() for axes in figure.get_axes() if axes.get_title()]


def test_a_sinusoid_is_shown_with_its_fits():
    episode, outputs = sinusoids()
    first, second = curves.draw(episode, outputs, [1, 5], "name").axes
    labels = ["truth", "before", "1 step", "5 steps", "support"]
    assert [line.get_label() for line in first.get_lines()] == labels
    assert len(second.get_lines()) == 5


@pytest.mark.parametrize(("steps", "mark"), [([1, 2], "✗"), ([3], "✓")])
def test_a_query_says_what_it_is_taken_for_and_whether_that_is_right(steps, mark):
    result = captions(image_episode.draw(*images(), steps, "name"))
    assert result[:3] == ["class 0", "class 1", "class 2"]
    after = 1 if mark == "✓" else 0
    assert result[3:] == [f"is 1\nbefore: 0\nafter: {after} {mark}"] * 4


def test_many_classes_take_several_rows():
    figure = image_episode.draw(*images(ways=12, queries=30), [3], "")
    assert len(captions(figure)) == 12 + 10
    assert figure.get_size_inches()[0] == image_episode.draw(*images(), [3], "").get_figwidth()


def test_a_share_of_queries_that_are_not_all_shown_says_of_how_many_it_is():
    some, every = (
        image_episode.draw(*images(queries=number), [3], "").subfigs[1].get_suptitle()
        for number in (25, 10)
    )
    assert some == "All 25 queries, of which 10 are shown: 0 % right before, 100 % after"
    assert every == "Queries: 0 % right before, 100 % after"


def test_a_legend_covers_no_curve():
    figure, axes = panel("step", "loss")
    axes.plot([0, 1], [0, 1], label="a curve")
    axes.plot([0, 1], [1, 0], label="another, with a name that takes a row of its own for itself")
    legend(figure)
    figure.draw_without_rendering()
    assert axes.get_legend() is None
    assert not figure.legends[0].get_window_extent().overlaps(axes.get_window_extent())


def test_predictions_are_shown_against_the_truth_before_and_after():
    first, second = predicted.draw(*values(), [1, 3], "name").axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in first.get_lines()}
    assert list(lines) == ["truth", "before", "after 3 steps", "support"]
    assert lines["truth"] == [[0, 0], [4, 4]]
    assert lines["before"] == [[0, 0], [1, 0], [2, 0], [3, 0]]
    assert lines["after 3 steps"] == [[0, 0], [1, 1], [2, 2], [3, 3]]
    assert [x for x, _ in lines["support"]] == [1, 2, 3, 4]
    assert len(second.get_lines()) == 4


@pytest.mark.parametrize(("steps", "taken_for"), [([1, 2], 0), ([3], 1)])
def test_the_discs_are_what_each_class_is_taken_for(steps, taken_for):
    """Every query is of class 1."""
    episode, outputs = images()
    axes = confusion.draw(episode, outputs, steps, "name").axes[0]
    after, before = (discs.get_sizes().reshape(3, 3) for discs in axes.collections)
    places = axes.collections[0].get_offsets()
    assert [place.tolist() for place in places[[1, 3]]] == [[1, 0], [0, 1]]
    for areas, column in ((before, 0), (after, taken_for)):
        assert np.argwhere(areas > 0).tolist() == [[1, column]]
    message = "100 % after" if taken_for else "0 % after"
    assert axes.get_title() == f"name: 0 % right before, {message}"


def test_classes_are_called_by_their_names():
    episode, outputs = images()
    options = [["$5 to $10", "a name that is far too long", "c"]] * 4
    axes = confusion.draw(episode, outputs, [3], "", [DisplayText([], [], [], options)]).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["$5 to $10", "a name that…", "c"]


def test_of_many_classes_the_first_are_shown():
    episode, outputs = images(ways=30)
    axes = confusion.draw(episode, outputs, [3], "").axes[0]
    assert len(axes.get_xticks()) == 20
    assert axes.get_title() == "0 % right before, 100 % after"


def test_each_task_has_a_drawing_of_its_own(tmp_path):
    pictures = draw("curves", *sinusoids(tasks=2), [1, 5], "name")
    assert pictures.write(Storage(str(tmp_path))) == "picture.png"
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "task-1.svg",
        "task-2.svg",
    ]


def test_a_figure_takes_the_colours_of_its_page_and_its_text_stays_text():
    figure, axes = panel("outer step", "loss & more")
    axes.plot([0, 1], [0, 1], color="C3")
    drawn = svg(figure, 'a "label" <here>')
    assert drawn.startswith('<svg role="img" aria-label="a &quot;label&quot; &lt;here&gt;"')
    assert "var(--c3, #d62728)" in drawn
    assert ">outer step</text>" in drawn
    assert "loss &amp; more" in drawn
    assert not re.search("#000000|#ffffff", drawn)
    assert drawn == svg(figure, 'a "label" <here>')


def test_what_a_page_shares_with_another_is_not_called_alike():
    figure, _ = panel("x", "y")
    names = re.findall(r'id="([^"]+)"', svg(figure, ""))
    assert not {"figure_1", "axes_1"} & set(names)
