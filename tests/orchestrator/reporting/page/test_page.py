import html.parser
import json

import pytest
from small_configs import sinusoid
from small_runs import in_process

from orchestrator.reporting.page.numbers import with_interval
from orchestrator.reporting.page.page import write_page
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage.storage import Storage


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
    """A parser that collects text, and every address that a browser would fetch."""

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
        assert with_interval("loss", score) in text
    for name, value in result["protocol"].items():
        assert name.replace("_", " ") in text
        if isinstance(value, str | int) and not isinstance(value, bool):
            assert str(value) in text
    assert result["theta_sha256"] in text
    assert 'kind = "sinusoid"' in text
    assert {"svg", "table"} <= set(reader.tags)


def test_a_page_opens_without_a_network(folder):
    assert all(value.startswith(("data:", "#")) for value in read(folder).fetched)
    content = (folder / "report.html").read_text()
    assert "@import" not in content
    assert "<script" not in content
    assert "default-src 'none'" in content  # which the browser holds it to


def test_what_the_user_named_is_escaped(folder):
    reader = read(folder)
    assert "b" not in reader.tags
    assert any("<b>a & b</b>" in text for text in reader.text)


def copy(folder, target, *names):
    for name in names:
        (target / name).write_bytes((folder / name).read_bytes())


def test_a_page_without_pictures_shows_none(folder, tmp_path):
    copy(folder, tmp_path, "evaluation.json", "metrics.jsonl", "config.toml")
    write_page(Storage(str(tmp_path)))
    assert "Test tasks before" not in " ".join(read(tmp_path).text)


def test_a_run_of_an_older_version_shows_its_png(folder, tmp_path):
    copy(folder, tmp_path, "evaluation.json", "metrics.jsonl", "config.toml", "picture.png")
    write_page(Storage(str(tmp_path)))
    reader = read(tmp_path)
    assert "img" in reader.tags
    assert "older versions did not write" in " ".join(reader.text)
