"""Files of sweeps: keys, overrides, bases and paths."""

import pytest
from small_sweeps import BASE, SPACE, read_text, refusal, sweep_of

from orchestrator.config.schema import PRESETS, load
from orchestrator.sweep.settings import read_sweep, shipped_sweeps
from orchestrator.sweep.space import check_space
from orchestrator.sweep.tune import tune

QUOTED = """
base = "sinusoid"
metric = "loss"
mode = "min"
samples = 8
top = 2

[overrides]
"outer.steps" = 2000
evaluation.every = 500

[space]
"algorithm.kind" = {choice = ["maml", "reptile"]}
"algorithm.inner_lr" = {loguniform = [1e-3, 0.3]}
"algorithm.inner_batch" = {choice = [2, 5], when = {"algorithm.kind" = "reptile"}}

[search]
searcher = "optuna"
scheduler = "asha"
parallel = 2
"""

NESTED = QUOTED.partition("[space]")[0] + (
    """
[space.algorithm]
kind = {choice = ["maml", "reptile"]}
inner_lr.loguniform = [1e-3, 0.3]
inner_batch = {choice = [2, 5], when = {"algorithm.kind" = "reptile"}}

[search]
searcher = "optuna"
scheduler = "asha"
parallel = 2
"""
)


@pytest.mark.parametrize("text", [QUOTED, NESTED], ids=["quoted", "nested"])
def test_a_sweep_is_read_whether_its_keys_are_quoted_or_tables(tmp_path, text):
    sweep, table = read_text(tmp_path, text)
    assert (sweep.metric, sweep.mode, sweep.samples, sweep.top) == ("loss", "min", 8, 2)
    assert list(sweep.space) == ["algorithm.kind", "algorithm.inner_lr", "algorithm.inner_batch"]
    assert sweep.space["algorithm.kind"].choice == ("maml", "reptile")
    assert sweep.space["algorithm.inner_lr"].loguniform == (1e-3, 0.3)
    assert sweep.space["algorithm.inner_batch"].when == {"algorithm.kind": "reptile"}
    search = sweep.search
    assert (search.searcher, search.scheduler, search.parallel) == ("optuna", "asha", 2)
    assert table["name"] == "sinusoid"
    assert (table["outer"]["steps"], table["evaluation"]["every"]) == (2000, 500)
    assert table["model"] == {"kind": "mlp", "hidden": [40, 40]}


def test_a_run_is_told_from_a_sweep(tmp_path):
    message = refusal(read_text, tmp_path, (PRESETS / "sinusoid.toml").read_text())
    assert "is a run, not a sweep" in message
    assert "metatrain train" in message


@pytest.mark.parametrize(
    ("name", "hint"), [("sinusod", " (did you mean 'sinusoid'?)"), ("s.json", "")]
)
def test_a_sweep_is_a_shipped_one_or_a_toml_file(name, hint):
    assert refusal(read_sweep, name) == (
        f"no sweep is called '{name}'{hint}; there are omniglot-maml, omniglot-reptile, sinusoid, "
        "or give a file that ends in .toml"
    )


@pytest.mark.parametrize("name", shipped_sweeps())
def test_a_shipped_sweep_holds_nothing_that_a_run_forbids(name):
    sweep, table = read_sweep(name)
    check_space(sweep, table)
    assert sweep.metric in ("loss", "accuracy")


def test_what_is_given_with_the_command_goes_over_the_files_own():
    sweep, table = read_sweep("sinusoid", ["outer.steps=7", "task.shots=3"])
    assert (table["outer"]["steps"], table["task"]["shots"]) == (7, 3)
    assert sweep.overrides["outer.steps"] == 7


def test_a_sweep_that_is_not_there_is_named():
    assert refusal(read_sweep, "nowhere.toml") == "no such file: nowhere.toml"


@pytest.mark.parametrize(
    ("base", "why"), [("sinusod", "did you mean 'sinusoid'"), ("b.toml", "no such file: b.toml")]
)
def test_a_base_that_is_not_there_is_named(tmp_path, base, why):
    message = refusal(read_text, tmp_path, f'base = "{base}"\n{SPACE}')
    assert message.startswith(f"{tmp_path / 's.toml'}: base = '{base}': ")
    assert why in message


def test_a_base_is_looked_for_beside_the_sweep_alone(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    text = f'base = "b.toml"\n{SPACE}'
    (here / "b.toml").write_text("seed = 1")
    assert f"no such file: b.toml (looked in {there})" in refusal(read_text, there, text)
    (there / "b.toml").write_text("seed = 2")
    assert read_text(there, text)[1] == {"name": "b", "seed": 2}


def test_saved_models_in_the_space_are_looked_for_beside_the_sweep(tmp_path):
    (tmp_path / "small.keras").write_bytes(b"")
    text = 'base = "sinusoid"\n[space]\n"model.source" = {choice = ["small.keras", "mine:net"]}\n'
    choice = read_text(tmp_path, text)[0].space["model.source"].choice
    assert choice == (str(tmp_path / "small.keras"), "mine:net")


def test_paths_in_a_sweep_and_its_base_count_from_their_files_and_typed_ones_from_here(
    tmp_path, monkeypatch
):
    (tmp_path / "here").mkdir()
    (tmp_path / "bases").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "bases" / "b.toml").write_text("[task]\nkind = 'images'\npath = 'a.zip'\n")
    text = 'base = "bases/b.toml"\n[overrides]\n"task.split_file" = "s.json"\n'
    text += '[space]\n"task.path" = {choice = ["x.zip", "/y.zip"]}\n'
    sweep, table = read_text(tmp_path, text)
    assert table["task"]["path"] == str(tmp_path / "bases" / "a.zip")
    assert table["task"]["split_file"] == str(tmp_path / "s.json")
    assert sweep.space["task.path"].choice == (str(tmp_path / "x.zip"), "/y.zip")
    assert sweep.overrides == {"task.split_file": "s.json"}
    _, typed = read_sweep(str(tmp_path / "s.toml"), ["task.split_file=mine.json"])
    assert typed["task"]["split_file"] == "mine.json"


def test_an_override_of_a_kind_comes_before_what_goes_into_its_section(tmp_path):
    overrides = '[overrides]\n"algorithm.inner_batch" = 5\n"algorithm.kind" = "reptile"\n'
    table = read_text(tmp_path, BASE + overrides + SPACE)[1]
    kept = {"inner_lr": 0.01, "inner_steps": 1}
    assert table["algorithm"] == {"kind": "reptile", **kept, "inner_batch": 5}


def test_a_condition_may_name_several_values_and_one_that_is_possible_is_enough():
    space = {
        "algorithm.kind": {"choice": ["maml", "reptile"]},
        "outer.lr": {"choice": [1], "when": {"algorithm.kind": ["reptile", "anil"]}},
    }
    assert sweep_of(space).space["outer.lr"].when == {"algorithm.kind": ["reptile", "anil"]}


def test_a_value_given_with_the_command_for_a_key_of_the_space_is_refused():
    with pytest.raises(ValueError, match=r"inner_lr is in the space and also has a value"):
        read_sweep("sinusoid", ["algorithm.inner_lr=0.3"])


def test_a_sweep_is_no_run(tmp_path):
    (tmp_path / "s.toml").write_text(BASE + SPACE)
    with pytest.raises(ValueError, match=r"s\.toml is a sweep, not a run: metatrain tune"):
        load(str(tmp_path / "s.toml"))
    (tmp_path / "t.toml").write_text('base = "s.toml"\n' + SPACE)
    with pytest.raises(ValueError, match=r"s\.toml is a sweep, not a run"):
        read_sweep(str(tmp_path / "t.toml"))


@pytest.mark.parametrize(
    ("objective", "fragment"),
    [
        ('metric = "accuracy"', "is not measured on these tasks; there are loss"),
        ('mode = "max"', "would look for the worst loss, of which less is better; use 'min'"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_before_anything_is_there(
    tmp_path, objective, fragment
):
    file = tmp_path / "sweep.toml"
    file.write_text(f"{objective}\n{BASE}\n{SPACE}")
    assert fragment in refusal(tune, str(file), [], str(tmp_path / "out"), False, False)
    assert not (tmp_path / "out").exists()


def test_what_varies_in_the_base_is_overridden_as_by_set(tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_text(f'base = "cartpole"\n{SPACE}')
    set_options = ["task.vary={length={uniform=[0.5, 1.0]}}"]
    _, table = read_sweep(str(file), [*set_options, "task.vary.gravity.choice=[5.0, 15.0]"])
    assert set(load(table)[0].task.vary) == {"length", "gravity"}


@pytest.mark.parametrize("key", ["samples", "search.parallel", "parallel", "mlflow", "space.x"])
def test_a_key_of_the_sweeps_file_is_not_set_with_the_command(key):
    with pytest.raises(ValueError, match=f"{key} is a key of the sweep's file; set it there"):
        read_sweep("sinusoid", [f"{key}=3"])
