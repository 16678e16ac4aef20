"""The site of docs/ builds without a warning and a network, and has all that is generated."""

import html
import importlib.util
import re
import subprocess
import sys

import findings_page
import generated
import pages
import pytest

from orchestrator.cli.registry import COMMANDS
from orchestrator.config.keys import keys_of
from orchestrator.config.schema import MetaConfig

_OUTSIDE = re.compile(
    r"<(?:script|img|iframe|source|video|audio)\b[^>]*\ssrc=[\"']?(?:https?:)?//"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|icon|preconnect))[^>]*\shref=[\"']?(?:https?:)?//",
    re.I,
)
_IMPORTED = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", re.I)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going"]
    done = subprocess.run(
        [*command, pages.ROOT / "docs", folder / "html", "-d", folder / "read"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def words(site, page):
    """What a page shows, its tags left out."""
    return html.unescape(re.sub(r"<[^>]+>", "", (site / page).read_text()))


@pytest.mark.slow
def test_every_page_is_built(site):
    for page in pages.DOCS:
        assert (site / page.with_suffix(".html").name).exists(), page.name


@pytest.mark.slow
def test_no_page_refers_to_anything_outside(site):
    files = [*site.glob("*.html")]
    assert len(files) >= len(pages.DOCS)
    assert [file.name for file in files if _OUTSIDE.search(file.read_text())] == []
    styles = [*site.rglob("*.css")]
    assert styles
    assert [file.name for file in styles if _IMPORTED.search(file.read_text())] == []


@pytest.mark.parametrize(
    "text",
    [
        '<script async src="https://example.org/a.js">',
        "<img alt='a' src='//example.org/a.png'>",
        '<link rel="stylesheet" href="https://example.org/a.css">',
        '<link href="http://example.org/a.woff" rel="preload">',
    ],
)
def test_what_is_outside_is_found(text):
    assert _OUTSIDE.search(text)


@pytest.mark.parametrize(
    "text", ['<img src="_images/a.png">', '<a href="https://example.org">', '<script src="a.js">']
)
def test_what_is_inside_is_not_found(text):
    assert not _OUTSIDE.search(text)


@pytest.mark.slow
def test_the_configuration_page_has_every_key_with_its_description(site):
    shown = " ".join(words(site, "configuration.html").split())
    for name, field in keys_of(MetaConfig):
        if name.endswith(".kind"):
            assert f'{name} = "{field.default}"' in shown
        elif field.description:
            place = name.replace("task.vary.", "task.vary.NAME.")
            assert f"{place} ·" in shown, name
            assert " ".join(field.description.replace("`", "").split())[1:] in shown, name


@pytest.mark.slow
def test_the_command_line_page_has_every_command_and_option(site):
    from typer.main import get_command

    from orchestrator.cli.app import app

    shown = words(site, "command_line.html")
    commands = get_command(app).commands
    for name in COMMANDS:
        assert f"metatrain {name} " in shown
        for parameter in commands[name].params:
            assert parameter.param_type_name == "argument" or parameter.opts[0] in shown


@pytest.mark.slow
def test_the_python_page_has_what_users_import(site):
    shown = words(site, "python_api.html")
    for name in (
        "MetaTrainer",
        "fit",
        "Learner",
        "load",
        "adapt",
        "adapt_to",
        "Predictor",
        "Policy",
    ):
        assert re.search(rf"\b{name}\(", shown), name
    assert "GaussianHead(" in shown
    assert "metatrain.Learner" in shown


@pytest.mark.slow
def test_results_lead_to_the_measurements(site):
    page = (site / "results.html").read_text()
    anchors = re.findall(r'href="measurements.html#([^"]+)"', page)
    assert len(anchors) >= 6
    there = (site / "measurements.html").read_text()
    assert [each for each in anchors if f'id="{each}"' not in there] == []


def test_every_finding_is_listed_in_a_line():
    lines = findings_page.text().splitlines()
    scripts = sorted((pages.ROOT / "findings").glob("*.sh"))
    assert len(lines) == len(scripts) > 10
    for line, script in zip(lines, scripts, strict=True):
        assert f"[`{script.name}`]" in line
        assert re.search(r"\*[^*]{30,}\.\*$", line), line


@pytest.mark.parametrize(
    ("link", "led"),
    [
        ("[a](../benchmarks/RESULTS.md#faults)", "[a](measurements.md#faults)"),
        ("[a](../README.md)", "[a](index.md)"),
        ("[`a`](../findings)", "`a`"),
        ("[a](../orchestrator/loop.py)", "[a](../orchestrator/loop.py)"),
        ("[a](methods.md#recipes)", "[a](methods.md#recipes)"),
        ("[a](https://example.org/README.md)", "[a](https://example.org/README.md)"),
        ("![a](../benchmarks/report.png)", "![a](../benchmarks/report.png)"),
    ],
)
def test_links_out_of_the_docs_lead_to_pages(link, led):
    assert generated.led_to_pages(link, pages.ROOT / "docs") == led


def test_ci_builds_the_site_with_warnings_as_errors():
    assert importlib.util.find_spec("furo")
    script = (pages.ROOT / ".ci" / "run").read_text()
    assert re.search(r"^(\.venv/bin/)?sphinx-build .*-W .*docs ", script, re.M)
