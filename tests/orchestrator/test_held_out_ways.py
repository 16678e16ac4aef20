"""Validation and test tasks of another number of classes than training has."""

import json
from pathlib import Path

import pytest
from inline_command import metatrain
from small_configs import images, sinusoid
from small_runs import in_process

from orchestrator.config.schema import to_toml, validate
from orchestrator.evaluate import evaluate, recipe_at, recipes
from orchestrator.outer.blocks import held_out_blocks, train_blocks
from orchestrator.run.opening import open_family
from orchestrator.run.scores_by_size import Cell, cells, scores_by_size
from workers.wire.errors import DataError

pytestmark = pytest.mark.usefixtures("shared_runners")
PROTONET = ["model.kind=mlp", "model.hidden=[4]", "algorithm.kind=protonet"]
PROTONET += ["evaluation.inner_steps=[1]"]
#: The validation split has fewer classes than a training task.
SPLIT = ["task.train_classes=12", "task.validation_classes=4", "task.test_classes=4"]


@pytest.fixture
def make(image_zip, image_cache):
    return lambda *overrides: images(image_zip, image_cache, *PROTONET, *SPLIT, *overrides)


def test_held_out_tasks_have_their_own_number_of_classes(make):
    config = make("task.ways=10", "evaluation.ways=3")
    assert validate(config.model_dump(mode="json", exclude_none=True)) == config
    family = open_family(config)
    (recipe,) = recipes(config)
    assert (recipe.ways, recipe.padded) == (3, False)
    assert train_blocks(config, family, 0)[0].specs["classes"].shape[1] == 10
    for split in ("validation", "test"):
        block = held_out_blocks(config, family, split, 2, recipe)[0]
        assert block.specs["classes"].shape[1] == 3
    assert recipe_at(make("task.ways=[2,10]"), 1.0).padded
    assert not recipe_at(make("task.ways=[2,10]", "evaluation.ways=3"), 1.0).padded


def test_a_number_is_no_table_and_a_table_by_shots_has_that_number(make):
    assert cells(make("evaluation.ways=3")) == []
    ranged = make("evaluation.ways=3", "evaluation.shots=[1,2]")
    assert cells(ranged) == []
    assert ranged.evaluation.size == (1, 2)
    config = make("task.ways=10", "evaluation.ways=3", "evaluation.shots=[1,2,3]")
    assert cells(config) == [Cell(None, shots, 1) for shots in (1, 2, 3)]


def test_the_scores_are_those_of_a_table_with_that_number(make):
    small = ["evaluation.tasks=6", "evaluation.table_tasks=6", "evaluation.shots=[1,2,3]"]
    config = make("task.ways=4", "evaluation.ways=3", *small)
    launched = in_process(config)
    weights, recipe = launched.initial_state().weights, recipe_at(config, 1.0)
    own = evaluate(config, launched.family, launched.pool, weights, "test", recipe)[-1]
    by_shots = scores_by_size(config, launched.family, launched.pool, weights, recipe)
    listed = make("task.ways=4", "evaluation.ways=[3]", *small)
    rows = scores_by_size(listed, launched.family, launched.pool, weights, recipe_at(listed, 1.0))
    for name in ("accuracy", "accuracy_ci95", "loss"):
        assert own[name] == rows[0][name] == by_shots[0][name]
    assert [row["loss"] for row in rows] == [row["loss"] for row in by_shots]
    assert [row.get("ways") for row in (*rows, *by_shots)] == [3] * 3 + [None] * 3


@pytest.mark.slow
def test_the_protocol_has_both_numbers(make, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = make("task.ways=10", "evaluation.ways=4", "outer.steps=2")
    Path("run.toml").write_text(to_toml(config))
    code, _, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 0, err
    protocol = json.loads(Path("run/evaluation.json").read_text())["protocol"]
    assert (protocol["ways"], protocol["ways_in_training"]) == (4, 10)
    assert protocol["chance"] == 0.25
    asked = ["--set", "evaluation.ways=2", "--json"]
    code, out, err = metatrain(capsys, monkeypatch, "evaluate", "run", *asked)
    assert code == 0, err
    assert json.loads(out)["evaluation"]["protocol"]["chance"] == 0.5


def test_without_it_validation_has_the_ways_of_training(make):
    with pytest.raises(DataError, match=r"a task of 10 classes, but the validation split has"):
        open_family(make("task.ways=10"))
    with pytest.raises(DataError, match=r"a task of 5 classes, but the validation split has 4"):
        open_family(make("task.ways=10", "evaluation.ways=5"))


def test_where_it_cannot_be_it_is_refused(image_zip, image_cache):
    with pytest.raises(ValueError, match=r"^evaluation\.ways = 3, but algorithm\.kind = 'maml' l"):
        images(image_zip, image_cache, "evaluation.ways=3")
    with pytest.raises(ValueError, match=r"evaluation\.ways = 3 asks for other numbers of classes"):
        sinusoid("evaluation.ways=3")
    with pytest.raises(ValueError, match=r"evaluation\.ways must be at least 2, got 1"):
        images(image_zip, image_cache, *PROTONET, "evaluation.ways=1")
