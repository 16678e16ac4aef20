import html.parser
import json

import pytest
from small_configs import sinusoid
from small_runs import in_process

from orchestrator.page.page import write_page
from orchestrator.page.training_curves import draw
from orchestrator.run import TrainingRun
from orchestrator.storage import Storage


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run whose name would break a page that does not escape it."""
    config = sinusoid('name="<b>a & b</b>"', "outer.steps=8")
    folder = tmp_path_factory.mktemp("runs") / "run"
    storage = Storage(str(folder))
    run = TrainingRun(config, storage, in_process(config), None)
    list(run.steps())
    result = run.test()
    run.draw(result)
    assert run.report() == "report.html"
    run.close()
    return folder


class Reader(html.parser.HTMLParser):
    """Text, and all that a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.text, self.fetched, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data):
        self.text.append(data)


def read(folder):
    reader = Reader()
    reader.feed((folder / "report.html").read_text())
    return reader


def test_a_page_shows_result_protocol_curves_and_picture(folder):
    reader = read(folder)
    text = " ".join(reader.text)
    result = json.loads((folder / "evaluation.json").read_text())
    for score in (result["before"], result["after"]):
        assert f"{score['loss']:.4f} ± {score['loss_ci95']:.4f}" in text
    for name, value in result["protocol"].items():
        assert name.replace("_", " ") in text
        if isinstance(value, str | int):
            assert str(value) in text
    assert result["theta_sha256"] in text
    assert 'kind = "sinusoid"' in text
    assert {"svg", "img", "table"} <= set(reader.tags)


def test_a_page_opens_without_a_network(folder):
    assert all(value.startswith(("data:", "#")) for value in read(folder).fetched)
    content = (folder / "report.html").read_text()
    assert "@import" not in content
    assert "<script" not in content


def test_what_the_user_named_is_escaped(folder):
    reader = read(folder)
    assert "b" not in reader.tags
    assert any("<b>a & b</b>" in text for text in reader.text)


def test_a_page_without_a_picture_shows_none(folder, tmp_path):
    for name in ("evaluation.json", "metrics.jsonl", "config.toml"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    write_page(sinusoid(), Storage(str(tmp_path)))
    assert "img" not in read(tmp_path).tags


def test_curves_are_means_of_equally_many_steps_and_all_validations():
    rows = [
        {"step": i, "loss_before": 2.0, "loss_after": float(i), "accuracy": 0.5}
        for i in range(1, 2001)
    ]
    rows[999]["validation_accuracy"] = 0.75
    losses, accuracy = draw(rows).axes
    after = losses.get_lines()[1]
    assert len(after.get_xdata()) == 100
    assert after.get_ydata()[0] == 10.5  # of 1 to 20
    assert [line.get_label() for line in losses.get_lines()[:2]] == [
        "before (support)",
        "after (query)",
    ]
    dots = accuracy.get_lines()[-1]
    assert (list(dots.get_xdata()), list(dots.get_ydata())) == ([1000], [0.75])


def test_a_run_without_steps_has_empty_curves():
    assert len(draw([]).axes) == 1
