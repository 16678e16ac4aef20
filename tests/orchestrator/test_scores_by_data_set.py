"""Runs whose tasks are each of one data set: scores by data set, the same bits, and refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from any_workers import Here, Workers
from inline_command import metatrain
from small_configs import IMAGES, changed
from small_images import members, write_zip
from small_results import result as result_with
from small_runs import in_process

from orchestrator.config.schema import to_toml
from orchestrator.evaluate import recipe_at, score_tasks
from orchestrator.loop import meta_train
from orchestrator.outer.blocks import held_out_blocks
from orchestrator.outer.update import OuterUpdate
from orchestrator.records.domain_scores import scores_by_domain
from orchestrator.reporting import domain_table
from orchestrator.run.best_checkpoint import protocol_of
from workers.wire.tensors import sha256

pytestmark = pytest.mark.usefixtures("shared_runners")
DENSE = ["model.kind=mlp", "model.hidden=[4]"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for place, name in enumerate(("birds", "fungi", "signs")):
        write_zip(folder / f"{name}.zip", members(12, 4, first=12 * place))
    return folder


@pytest.fixture
def make(sources):
    def made(*overrides):
        paths = [str(sources / f"{name}.zip") for name in ("birds", "fungi")]
        cache = f"task.cache={sources / 'cache'}"
        common = [f"task.path={paths}", cache, "task.mix=false", "task.ways=2", *DENSE]
        return changed(IMAGES, *common, *overrides)

    return made


def test_theta_is_the_same_on_any_workers_and_scores_in_blocks_of_any_size(make):
    config = make("outer.steps=3", "task.domain_weights=[1, 2]")
    launch = in_process(config)
    start = launch.initial_state()

    def theta(pool):
        outer = OuterUpdate(config.outer, start)
        for _ in meta_train(config, launch.family, pool, outer):
            pass
        return outer.state().theta

    expected = theta(launch.pool)
    assert sha256(expected) != sha256(start.theta)
    for count in (1, 2):
        workers = Workers([Here(config.worker, launch.pool.runner)] * 2, count)
        assert sha256(theta(workers)) == sha256(expected)
    weights = launch.initial_state().weights
    scores = []
    for size in (1, 2, 5):
        cut = config.model_copy(
            update={"workers": config.workers.model_copy(update={"block_size": size})}
        )
        blocks = held_out_blocks(cut, launch.family, "test", 6, recipe_at(cut, 0.1))
        scores.append(score_tasks(launch.pool, weights, blocks)["loss"])
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])


def test_scores_by_data_set_are_means_over_its_tasks(make):
    config = make()
    family = in_process(config).family
    blocks = held_out_blocks(config, family, "test", 5, recipe_at(config, 0.1))
    values = {"accuracy": np.array([[0, 1], [0, 8], [2, 3], [0, 4], [0, 8]]) / 8}
    rows = scores_by_domain(family, blocks, values, 1)
    assert [(row["domain"], row["tasks"]) for row in rows] == [("birds", 3), ("fungi", 2)]
    assert [row["accuracy"] for row in rows] == [0.5, 0.75]
    assert [row["accuracy_before"] for row in rows] == [pytest.approx(1 / 12), 0]
    assert rows[1]["accuracy_ci95"] == pytest.approx(1.96 * 0.25)
    first = held_out_blocks(config, family, "test", 2, recipe_at(config, 0.1))
    rows = scores_by_domain(family, first, {"accuracy": values["accuracy"][:2]}, 1)
    assert [row.get("accuracy_ci95") for row in rows] == [None, None]


def test_the_table_shows_no_interval_of_a_single_task():
    rows = [
        {"domain": "birds", "tasks": 3, "accuracy": 0.5, "accuracy_ci95": 0.1},
        {"domain": "fungi", "tasks": 1, "accuracy": 0.25},
    ]
    by_domain = [{**row, "accuracy_before": 0.125} for row in rows]
    result = result_with(0.1, 0.4, metric="accuracy").model_copy(update={"by_domain": by_domain})
    assert domain_table.title(result) == "Test accuracy in % by data set"
    assert [list(row.values()) for row in domain_table.rows(result)] == [
        ["birds", "3", "12.50", "50.00 ± 10.00"],
        ["fungi", "1", "12.50", "25.00"],
    ]


def test_a_run_tells_scores_by_data_set_and_names_them(
    make, sources, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    config = make("outer.steps=2", f'task.test_path=["{sources}/signs.zip", "{sources}/more.zip"]')
    write_zip(sources / "more.zip", members(3, 4, first=50))
    Path("run.toml").write_text(to_toml(config))
    code, out, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 0, err
    assert "Test accuracy in % by data set" in out
    tested = json.loads(Path("run/evaluation.json").read_text())
    rows = tested["by_domain"]
    assert [(row["domain"], row["tasks"]) for row in rows] == [("signs", 3), ("more", 3)]
    after = np.mean([row["accuracy"] for row in rows])
    assert after == pytest.approx(tested["after"]["accuracy"])
    protocol = tested["protocol"]
    assert (protocol["tasks_from"], protocol["trained_on"]) == ("signs, more", "birds, fungi")
    assert protocol["mix"] is False
    page = Path("run/report.html").read_text()
    assert "<h2>By data set</h2>" in page
    code, out, err = metatrain(capsys, monkeypatch, "evaluate", "run", "--tasks", "4", "--json")
    assert code == 0, err
    again = json.loads(out)["evaluation"]
    assert [row["tasks"] for row in again["by_domain"]] == [2, 2]
    assert again["theta_sha256"] == tested["theta_sha256"]


@pytest.mark.slow
def test_a_run_of_mixed_classes_has_no_such_table(make, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run.toml").write_text(to_toml(make("outer.steps=1", "task.mix=true")))
    code, out, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 0, err
    assert "by data set" not in out
    tested = json.loads(Path("run/evaluation.json").read_text())
    assert tested["by_domain"] is None
    assert tested["protocol"]["mix"] is True
    assert tested["protocol"]["tasks_from"] == "birds.zip + fungi.zip"


@pytest.mark.slow
def test_other_weights_or_data_sets_are_refused_by_a_resume(make, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run.toml").write_text(to_toml(make("outer.steps=1")))
    assert metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")[0] == 0
    resume = ["train", "run.toml", "--out", "run", "--resume"]
    for change, message in [
        ("task.domain_weights=[1,2]", "task.domain_weights"),
        ("task.mix=true", "task.mix"),
    ]:
        code, _, err = metatrain(capsys, monkeypatch, *resume, "--set", change)
        assert code == 2
        assert message in err
    assert metatrain(capsys, monkeypatch, *resume)[0] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("task.ways=9", "task.ways = 9, but the data set 'birds' has 4 in its train split; lower"),
        ("evaluation.ways=9", "a task of 9 classes, but the data set 'birds' has 2 in its valida"),
    ],
)
def test_data_sets_that_are_too_small_end_a_run_before_it_starts(
    make, change, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    protonet = ["algorithm.kind=protonet", "evaluation.inner_steps=[1]"]
    Path("run.toml").write_text(to_toml(make(*protonet, change)))
    code, _, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 2
    assert message in " ".join(err.split())
    assert not Path("run/checkpoints").exists()


def test_chance_counts_the_classes_that_each_data_set_has(make, sources):
    write_zip(sources / "few.zip", members(6, 4, first=70))
    paths = [str(sources / f"{name}.zip") for name in ("birds", "few")]
    counts = ["task.rotations=train", "task.train_classes=2", "task.validation_classes=2"]
    heads = ["algorithm.kind=protonet", "evaluation.inner_steps=[1]", "task.ways=[2,4]"]
    config = make(f"task.path={paths}", *counts, *heads)
    chosen = {"candidates": [], "inner_lr": 0.1, "inner_steps": 1}
    protocol = protocol_of(config, in_process(config), chosen)
    of_birds, of_few = np.mean([1 / 2, 1 / 3, 1 / 4]), 1 / 2
    assert protocol["chance"] == pytest.approx((of_birds + of_few) / 2)
