"""The settings of gymnasium tasks: what goes together, and what a run's identity holds."""

import json

import pytest

from orchestrator.config.keys import bits_of
from orchestrator.config.schema import load, to_toml
from workers.settings.environments.gym_task import GymTask

CHOICE = {"g": {"choice": [8.0, 9.0, 10.0, 11.0]}}
RANGE = {"g": {"uniform": [8.0, 9.0]}}
LISTED = [{"g": float(value)} for value in range(5, 10)]
SPLIT = [{"g": i + 8.0, "split": split} for i, split in enumerate(("train", "validation", "test"))]
#: Of a run from before there were sets of tasks.
BEFORE = {"kind", "environment", "arguments", "vary"}


def config_of(folder=None, **task):
    table = {"task": {"kind": "gym", "environment": "Pendulum-v1", **task}}
    table["task"] = {key: value for key, value in table["task"].items() if value is not None}
    return load(table)[0]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"environment": None}, "task.environment is missing"),
        (
            {"environment": None, "environments": [{"id": "a:B"}, {"g": 1}]},
            r"task.environments\[1\] has no id, and task.environment is missing",
        ),
        ({"environments": LISTED, "vary": CHOICE}, r"g is in task.environments\[0\] and in task.v"),
        ({"vary": RANGE, "test_tasks": 3}, "task.test_tasks splits a finite set .* there is none"),
        ({"vary": RANGE, "split": True}, "task.split splits a finite set"),
        ({"vary": CHOICE, "split": False, "split_seed": 1}, "split = false, but task.split_seed"),
        ({"vary": CHOICE, "split": False, "split_file": "a.json"}, "but task.split_file is set"),
        ({"vary": CHOICE, "split_file": "a", "train_tasks": 2}, "task.train_tasks is not for task"),
        ({"vary": CHOICE, "split_shares": [0.5, 0.2, 0.2]}, "three numbers above 0 that add up to"),
        ({"environments": SPLIT, "test_tasks": 3}, "task.test_tasks is not for .* have a split"),
        ({"environments": SPLIT, "split_file": "a"}, "task.split_file is not for .* have a split"),
        ({"environments": SPLIT, "split": False}, "task.split is not for .* have a split"),
        ({"environments": [*SPLIT, {}]}, r"environments\[0\] has a split, .*\[3\] has none; give"),
        ({"environments": SPLIT[:2]}, "no entry with split = 'test'; each of train, validation"),
        ({"environments": [{"split": "dev"}]}, r"\[0\].split = 'dev'; give 'train', 'validation'"),
        ({"vary": {"g": {"train": [8, 9]}}}, "task.vary.g: train needs test"),
        ({"vary": {"g": {"train": [8, 9], "test": [2, 1]}}}, r"test = \[2.0, 1.0\]; low must be"),
        ({"vary": {"g": {"loguniform": [8, 9], "test": [0, 1]}}}, "low must be above 0"),
        ({"vary": {"g": {"choice": [8, 9], "test": [9, 10]}}}, "test is for ranges; values of cho"),
        ({"vary": {"g": {"choice": [8, {"a": 1}]}}}, r"task.vary.g.choice\[1\] = .*a finite numb"),
        ({"vary": {"g": {"choice": [8, [9, [1]]]}}}, r"choice\[1\] = .*not a finite number, true"),
        ({"vary": {"g": {"choice": [8, float("nan")]}}}, r"choice\[1\] = nan: .* finite number"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_line(changes, error):
    with pytest.raises(ValueError, match=error) as raised:
        config_of(**changes)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("vary", [CHOICE, RANGE, {"g": {"choice": [1, 2.5]}}])
def test_runs_from_before_there_were_sets_keep_their_identity(vary):
    table = bits_of(config_of(vary=vary).task)
    kept = {name: value for name, value in table.items() if name in BEFORE}
    others = table.keys() - kept.keys()
    assert others.isdisjoint({"environments", "split", "split_seed", "split_shares", "test_tasks"})
    (way,) = vary["g"]
    assert table["vary"]["g"] == {
        **dict.fromkeys(("uniform", "loguniform", "choice")),
        way: vary["g"][way],
    }
    assert [type(value) for value in table["vary"]["g"][way]] == [*map(type, vary["g"][way])]


@pytest.mark.parametrize(
    "changes",
    [
        {"vary": CHOICE, "split": True},
        {"vary": CHOICE, "split_seed": 0},
        {"vary": CHOICE, "test_tasks": 2},
        {"vary": CHOICE, "split_shares": [0.5, 0.25, 0.25]},
        {"vary": {"g": {"uniform": [8.0, 9.0], "test": [9.0, 10.0]}}},
        {"vary": {"g": {"choice": ["a", "b"]}}},
        {"environments": LISTED},
    ],
)
def test_what_decides_the_tasks_is_part_of_the_identity(changes):
    hashes = {config_of(vary=vary).bits_hash() for vary in (CHOICE, RANGE)}
    assert len(hashes | {config_of(**changes).bits_hash()}) == 3
    assert config_of(**changes).bits_hash() == config_of(**changes).bits_hash()


def test_a_configuration_is_the_same_after_it_was_written(tmp_path):
    listed = [{"id": "Pendulum-v1", "goal": [1, 0.5], "deep": {"a": [True]}}, *LISTED[1:]]
    vary = {"kind": {"choice": ["a", [1, 2.5], 3]}, "m": {"train": [1, 2], "test": [2, 3]}}
    config = config_of(environments=listed, vary=vary, test_tasks=4)
    (tmp_path / "config.toml").write_text(to_toml(config))
    again, _ = load(str(tmp_path / "config.toml"), ["name=run"])
    assert again.task == config.task
    assert again.bits_hash() == config.bits_hash()


def test_a_file_of_environments_counts_from_that_of_the_run(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "tasks.json").write_text(json.dumps(LISTED))
    text = '[task]\nkind = "gym"\nenvironment = "Pendulum-v1"\nenvironments = "tasks.json"\n'
    (tmp_path / "here" / "run.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    config, _ = load("here/run.toml")
    assert config.bits_hash() == config_of(environments=LISTED).bits_hash()


def test_a_split_file_counts_from_that_of_the_run_and_is_no_part_of_the_identity(tmp_path):
    text = '[task]\nkind = "gym"\nenvironment = "Pendulum-v1"\nsplit_file = "split.json"\n'
    (tmp_path / "run.toml").write_text(f"{text}vary.g.choice = [8.0, 9.0, 10.0, 11.0]\n")
    config, _ = load(str(tmp_path / "run.toml"))
    assert config.task.split_file == str(tmp_path / "split.json")
    assert config.task.is_split
    assert "task.split_file" not in config.bits()


def test_all_modules_of_a_list_are_known():
    listed = [{"id": "a.b:C"}, {"id": "Pendulum-v1"}, {"id": "d:E-v0"}, {"id": "a.b:D"}, {}]
    task = GymTask(environment="e:F", environments=listed)
    assert task.modules == ["a.b", "d", "e"]
    assert task.ids == ["a.b:C", "Pendulum-v1", "d:E-v0", "a.b:D", "e:F"]
    assert GymTask(environment="a:B").ids == ["a:B"]
