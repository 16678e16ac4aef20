"""The table of published numbers holds what was measured, and nothing else."""

import json

import pytest
from reproduce import CLAIMS, page

from orchestrator.config.schema import preset_file
from orchestrator.config.sources import PAPERS

ALONE = next(claim.preset for claim in CLAIMS if claim.alone)
PLAIN = "finn2017-omniglot-5w1s"


def write_run(folder, preset, seed, accuracy, done=True):
    out = folder / preset / f"seed-{seed}"
    out.mkdir(parents=True)
    command = f"metatrain train {preset} --out /somewhere/{seed} --set seed={seed}"
    entry = {"command": command, "seconds": 90.0}
    (out / "history.json").write_text(json.dumps([entry, entry]))
    scores = {"accuracy": accuracy, "accuracy_ci95": 0.004}
    text = {
        "after": scores,
        "queries_alone": {"accuracy": accuracy / 2, "accuracy_ci95": 0.006},
        "protocol": {"outer_steps": 60000},
        "theta_sha256": "0123456789abcdef",
    }
    if done:
        (out / "evaluation.json").write_text(json.dumps(text))


def row_of(text, preset):
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {preset} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_what_was_not_run_has_no_number(tmp_path):
    text = page(tmp_path)
    for claim in CLAIMS:
        assert row_of(text, claim.preset)[1:3] == [claim.published, "not run"]
    write_run(tmp_path, PLAIN, 0, 0.9, done=False)
    assert row_of(page(tmp_path), PLAIN)[2:4] == ["begun, 1 not done", ""]


def test_a_row_is_of_the_runs_that_are_done(tmp_path):
    for seed, accuracy in enumerate((0.9, 0.92)):
        write_run(tmp_path, PLAIN, seed, accuracy)
    write_run(tmp_path, PLAIN, 2, 0.5, done=False)
    assert row_of(page(tmp_path), PLAIN)[2:] == [
        "90.00 +- 0.40",
        "91.00 (1.41)",
        "2; begun, 1 not done",
        "60000",
        "3.0",
        f"`metatrain train {PLAIN} --set seed=0`",
        "01234567",
    ]


def test_queries_alone_are_compared_with_what_was_published_so(tmp_path):
    write_run(tmp_path, ALONE, 0, 0.9)
    assert row_of(page(tmp_path), ALONE)[2] == "45.00 +- 0.60, alone"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.preset)
def test_a_claim_is_the_one_that_its_preset_tells(claim):
    file = preset_file(claim.preset)
    assert file.parent == PAPERS
    text = " ".join(file.read_text().replace("\n# ", " ").split())
    assert claim.metric == "loss" or f"Published: {claim.published}" in text
