"""The pages in a browser: on a desktop and a phone, light and dark."""

import itertools
import json
import re

import pytest
import synthetic_run
from browser import started
from small_configs import images, sinusoid

from orchestrator.cli import report_command
from orchestrator.records.history import HistoryEntry, RunHistory
from orchestrator.reporting.page.numbers import with_interval
from orchestrator.storage.storage import Storage
from orchestrator.sweep import record
from orchestrator.sweep.page.sweep_page import write_sweep_page
from orchestrator.sweep.rows import Row
from orchestrator.sweep.settings import SweepSettings

pytestmark = pytest.mark.browser

PAGES = ("finished", "images", "unfinished", "new", "comparison", "sweep")
SPLIT = [
    "task.ways=6",
    *(f"task.{split}_classes=6" for split in ("train", "validation", "test")),
]
# WCAG 2, level AA, for text of any size.
LEAST_CONTRAST = 4.5


@pytest.fixture(scope="module")
def browser():
    with started() as it:
        yield it


@pytest.fixture(scope="module")
def pages(tmp_path_factory, image_zip, image_cache):
    """name -> file."""
    folder = tmp_path_factory.mktemp("pages")
    config = sinusoid("outer.steps=400", "evaluation.every=50", 'name="a < b"')
    storage = synthetic_run.write_run(folder / "finished", config)
    RunHistory(
        storage,
        HistoryEntry("metatrain train " + "a-long-word" * 30, "this process", 400, 400),
        print,
    )
    of_images = images(image_zip, image_cache, "outer.steps=40", *SPLIT)
    synthetic_run.write_run(folder / "images", of_images, incidents=False)
    synthetic_run.write_run(folder / "unfinished", config, steps=123)
    synthetic_run.write_run(folder / "new", config, steps=0)
    other = sinusoid("outer.steps=300", "algorithm.kind=reptile", "evaluation.shots=9")
    synthetic_run.write_run(folder / "other", other, seed=1)
    for name in ("finished", "images", "unfinished", "new"):
        report_command.write_report([str(folder / name)], None)
    three = [str(folder / name) for name in ("finished", "other", "unfinished")]
    report_command.write_report(three, folder / "comparison.html")
    write_sweep(folder / "sweep", config, Storage(str(folder / "finished")))
    return {
        **{name: folder / name / "report.html" for name in PAGES},
        "comparison": folder / "comparison.html",
    }


def write_sweep(folder, config, run):
    space = {
        "algorithm.inner_lr": {"loguniform": [1e-3, 1.0]},
        "algorithm.kind": {"choice": ["maml", "reptile"]},
        "outer.lr": {"uniform": [0.1, 1.0]},
        "outer.meta_batch_size": {"randint": [1, 9]},
    }
    sweep = SweepSettings.model_validate({"base": "sinusoid", "space": space})
    storage = Storage(str(folder))
    record.write(storage, sweep, {})
    rows = [
        Row(
            trial=f"{number:02d}",
            point={
                "algorithm.inner_lr": 10.0 ** -(number % 4),
                "algorithm.kind": "maml" if number % 2 else "reptile",
                "outer.lr": 0.1 * number,
                "outer.meta_batch_size": number,
            },
            status="finished",
            step=400,
            score=0.1 * number,
            best_step=400,
            run=f"trials/{number:02d}",
        )
        for number in range(1, 9)
    ]
    result = json.loads(run.read("evaluation.json"))
    tested = [{"trial": "01", "headline": "loss", "protocol": result["protocol"]}]
    runs = {row.trial: run for row in rows}
    write_sweep_page(config.name, sweep, storage, runs, rows, ("loss", "min"), tested)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_readable_everywhere(browser, pages, name):
    with browser.open(pages[name]) as seen:
        for size, scheme in itertools.product(("desktop", "phone"), ("light", "dark")):
            seen.show(size, scheme)
            assert seen.overflow() <= 0, (size, scheme)
            figures = seen.sizes("figure svg")
            assert all(width > 150 and height > 80 for width, height in figures), (size, scheme)
            contrasts = seen.contrasts()
            assert len(contrasts) > 20
            assert min(contrasts) > (LEAST_CONTRAST, ""), (size, scheme)
        assert seen.errors == []
        assert seen.requests == []


@pytest.mark.parametrize(("name", "figures"), [("finished", 7), ("images", 8), ("unfinished", 3)])
def test_every_figure_is_there(browser, pages, name, figures):
    """Count the figures: by inner step for each metric, three tasks, metrics, speed, incidents."""
    with browser.open(pages[name]) as seen:
        assert len(seen.sizes("figure svg")) == figures


def test_the_numbers_are_those_of_the_evaluation(browser, pages):
    result = json.loads((pages["finished"].parent / "evaluation.json").read_text())
    with browser.open(pages["finished"]) as seen:
        assert seen.page.inner_text(".big") == with_interval("loss", result["after"])
        cells = seen.page.inner_text("table")
        for step in (0, 1, 3):
            row = result["per_step"][step]
            assert with_interval("loss", row) in cells
            mean, interval = map(float, with_interval("loss", row).split(" ± "))
            assert mean == pytest.approx(row["loss"], abs=0.06 * row["loss_ci95"])
            assert interval == pytest.approx(row["loss_ci95"], rel=0.05)
        assert seen.page.title().startswith("a < b: mean squared error")


def test_a_page_tells_of_a_run_that_has_not_come_to_its_end(browser, pages):
    with browser.open(pages["unfinished"]) as seen:
        assert "not evaluated yet" in seen.page.inner_text(".big")
        assert "Not finished: 123 steps of 400 outer steps" in seen.text
    with browser.open(pages["new"]) as seen:
        assert "No step has been logged yet." in seen.text


def test_a_comparison_warns_loudly_of_different_protocols(browser, pages):
    with browser.open(pages["comparison"]) as seen:
        alarm = seen.page.inner_text("[role=alert]")
        assert "These scores are not comparable" in alarm
        assert re.search(r"shots\s+5\s+9", alarm)
        assert "difference to the best" not in seen.text


def test_the_colours_of_a_figure_are_those_of_the_page(browser, pages):
    fills = []
    for scheme in ("light", "dark"):
        with browser.open(pages["finished"], "desktop", scheme) as seen:
            script = "getComputedStyle(document.querySelector('figure svg text')).fill"
            fills.append(seen.page.evaluate(script))
    assert len(set(fills)) == 2


def test_what_lies_in_a_folder_can_neither_run_nor_fetch_anything(browser, pages, tmp_path):
    storage = synthetic_run.write_run(tmp_path / "run", sinusoid("outer.steps=10"))
    script, image = "<script>document.title = 1</script>", '<image href="http://127.0.0.1:9/a"/>'
    bad = f'<svg onload="x">{script}{image}</svg>'
    storage.write("pictures/task-1.svg", bad.encode())
    report_command.write_report([str(tmp_path / "run")], None)
    with browser.open(tmp_path / "run" / "report.html") as seen:
        assert seen.page.title() != "1"
        assert len(seen.errors) >= 2
        assert all("Content Security Policy" in error for error in seen.errors)
