import numpy as np

from orchestrator.reporting.pictures import forecast, signal_episode
from orchestrator.reporting.pictures.render import draw
from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Episode


def captions(figure):
    return [axes.get_title() for axes in figure.get_axes() if axes.get_title()]


def signals(ways=3, queries=4, channels=2):
    """One task; every query is of class 1, and taken for that after the last inner step alone."""
    x = np.random.default_rng(0).normal(size=(1, ways + queries, 20, channels))
    outputs = np.zeros((1, 4, queries, ways))
    outputs[0, 3, :, 1] = 1.0
    targets = np.ones((1, queries), int)
    episode = Episode(x[:, :ways], np.arange(ways)[None], x[:, ways:], targets)
    names = ["normal", "load3/inner_race_with_a_long_name", "$x$"][:ways]
    return (
        episode,
        outputs,
        [DisplayText([""] * ways, [names] * ways, [""] * queries, [names] * queries)],
    )


def test_signals_are_shown_with_their_classes_by_name():
    episode, outputs, words = signals()
    found = captions(signal_episode.draw(episode, outputs, [1, 3], "name", words))
    assert found[0] == "normal"
    assert found[1].startswith("…")
    assert len(found[1]) == 16
    assert found[3:] == [f"is {found[1]}\nbefore: normal\nafter: {found[1]} ✓"] * 4
    assert found[1].endswith("_a_long_name")


def test_a_line_for_each_channel_and_without_names_numbers():
    episode, outputs, _ = signals()
    figure = signal_episode.draw(episode, outputs, [1], "", [])
    assert captions(figure)[:3] == ["class 0", "class 1", "class 2"]
    assert captions(figure)[3] == "is class 1\nbefore: class 0\nafter: class 0 ✗"
    assert {len(axes.get_lines()) for axes in figure.get_axes()} == {0, 2}


def test_forecasts_are_shown_after_what_they_are_forecast_from():
    x = np.arange(2.0 * 5 * 40 * 2).reshape(2, 5, 40, 2)
    targets = np.ones((2, 5, 3))
    outputs = np.zeros((2, 3, 5, 3))
    figure = forecast.draw(Episode(x, targets, x, targets), outputs, [1, 2], "name")
    axes = figure.get_axes()
    assert len(axes) == 2 * 4
    assert captions(figure) == ["support", "support", "queries", "queries"]
    labels = [line.get_label() for line in axes[2].get_lines()]
    assert labels[0] == "window"
    assert labels[2:] == ["truth", "_child3", "before", "after 2 steps"]
    assert axes[2].get_lines()[0].get_xdata()[0] == -32


def test_both_are_drawn_as_pages_have_them():
    episode, outputs, words = signals()
    found = draw("signal_episode", episode, outputs, [1, 3], "a run", words)
    assert found.png.startswith(b"\x89PNG")
    assert "normal" in found.svgs[0]
