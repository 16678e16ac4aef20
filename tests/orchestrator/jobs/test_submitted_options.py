"""Options that a submitted command takes along."""

from pathlib import Path

import pytest

from orchestrator.jobs import shipping
from orchestrator.jobs.submission import plan

TRAIN = {
    "preset": "sinusoid",
    "overrides": None,
    "workers": None,
    "out": "/runs/a",
    "resume": False,
    "allow_changes": False,
    "verbose": False,
    "seeds": None,
    "dry_run": False,
    "as_json": False,
}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def train(**values):
    return plan("train", TRAIN | values, shipping.choose(Path.cwd()))


def test_seeds_are_part_of_what_the_job_does():
    several = train(seeds=3)
    assert several.words[-2:] == ("--seeds", "3")
    assert len({several.id, train(seeds=4).id, train().id}) == 3
    assert several.command(again=True).endswith("--seeds 3 --resume")


def test_a_document_is_printed_by_the_same_job():
    told = train(as_json=True)
    assert told.words == (*train().words, "--json")
    assert told.id == train().id


def test_a_dry_run_is_not_submitted():
    with pytest.raises(ValueError, match="give metatrain submit --dry-run -- train"):
        train(dry_run=True)
