import json
import math

import pytest
import synthetic_run
from small_configs import sinusoid

from orchestrator.cli.report_command import write_report
from orchestrator.reporting.page.run_folder import read_run
from orchestrator.reporting.page.seeds import mean_rows, of_seeds
from orchestrator.storage.storage import Storage

CONFIG = ["outer.steps=30", "evaluation.every=10"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders s0, s1, s2 with the losses 1, 2 and 6, which differ in their seeds; and others."""
    folder = tmp_path_factory.mktemp("seeds")
    for seed, loss in enumerate((1.0, 2.0, 6.0)):
        write(folder / f"s{seed}", loss, f"seed={seed}", f"name=run{seed}", f"workers.count={seed}")
    write(folder / "again", 9.0, "seed=1")
    write(folder / "other", 3.0, "seed=3", "algorithm.inner_lr=0.02")
    return folder


def write(folder, loss, *changes):
    synthetic_run.write_run(folder, sinusoid(*CONFIG, *changes))
    result = json.loads((folder / "evaluation.json").read_text())
    for row in (result["after"], result["per_step"][-1]):
        row["loss"] = loss
    (folder / "evaluation.json").write_text(json.dumps(result))


def read(runs, *names):
    return {name: read_run(Storage(str(runs / name))) for name in names}


def test_runs_of_three_seeds_have_a_mean_with_an_interval_over_seeds(runs):
    compared = read(runs, "s0", "s1", "s2", "other")
    groups = of_seeds(compared)
    assert groups == [["s0", "s1", "s2"]]
    (row,) = mean_rows(compared, groups)
    assert row["run"] == "mean over 3 seeds: s0, s1, s2"
    half = 4.303 * math.sqrt(7) / math.sqrt(3)  # Student's t; the variance of 1, 2 and 6 is 7
    assert row["after"] == f"3.0 ± {half:.1f}"


def test_runs_that_differ_in_more_than_the_seed_have_no_mean(runs):
    assert of_seeds(read(runs, "s0", "other")) == []


def test_a_seed_counts_once(runs):
    assert of_seeds(read(runs, "s0", "s1", "again")) == [["s0", "s1"]]


def test_a_score_that_is_not_finite_makes_no_mean(runs):
    compared = read(runs, "s0", "s1")
    compared["s1"].result.after["loss"] = math.inf
    (row,) = mean_rows(compared, of_seeds(compared))
    assert row["after"] == "not finite"


def test_the_page_shows_the_mean_behind_the_rows(runs, tmp_path):
    out = tmp_path / "page.html"
    write_report([str(runs / name) for name in ("s0", "s1", "s2", "other")], out)
    page = out.read_text()
    assert page.index(">s2<") < page.index("mean over 3 seeds: s0, s1, s2") < page.index(">other<")
    assert "Student's t" in page
    write_report([str(runs / "s0"), str(runs / "other")], out)
    assert "Student's t" not in out.read_text()
