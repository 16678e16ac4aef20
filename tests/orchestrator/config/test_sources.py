"""TOML files: what their relative paths count from, what they are based on, and damaged ones."""

import json
import os
import sys
from pathlib import Path

import pytest

from orchestrator.cli.app import main
from orchestrator.config import schema as configuration
from orchestrator.config.keys import keys_of
from orchestrator.config.schema import PRESETS, MetaConfig, load, merge, to_toml
from orchestrator.config.suggestions import ALIASES, meant
from workers.tasks.registry import make_family
from workers.wire.errors import DataError

IMAGES = '[task]\nkind = "images"\npath = "a.zip"\ncache = "cache"\nsplit_file = "s.json"\n'
REST = '[model]\nkind = "conv4"\n[algorithm]\nkind = "maml"\ninner_lr = 0.1\n'
TEXTS = '[task]\nkind = "text"\npath = "a.csv"\n[model]\nkind = "text"\n'
TEXTS += '[algorithm]\nkind = "maml"\ninner_lr = 0.1\n'


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The shell's folder, beside that of the files."""
    for name in ("here", "there", "data"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("METATRAIN_DATA", str(tmp_path / "data"))
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path):
    return tmp_path / "there"


def refusal(source, overrides=()):
    with pytest.raises(ValueError, match=r"\w") as no:
        load(str(source), overrides)
    return str(no.value)


# Paths.


def test_paths_in_a_file_count_from_its_folder_and_typed_ones_from_the_shells(here, there):
    (there / "a.toml").write_text(IMAGES + REST)
    for source in ("../there/a.toml", str(there / "a.toml")):
        task = load(source)[0].task
        assert task.path == str(there / "a.zip")
        assert task.cache == str(there / "cache")
        assert task.split_file == str(there / "s.json")
    task = load("../there/a.toml", ["task.path=['b.zip', '/c.zip']"])[0].task
    assert task.path == (str(here / "b.zip"), "/c.zip")
    several = IMAGES.replace('"a.zip"', '["a.zip", "../b.zip", "/c.zip"]')
    (there / "a.toml").write_text(several + REST)
    found = load("../there/a.toml")[0].task.path
    assert found == (str(there / "a.zip"), str(there.parent / "b.zip"), "/c.zip")


def test_folders_of_models_and_environments_count_from_the_file_too(there):
    text = '[task]\nkind = "gym"\nenvironment = "mine:Env"\nfolder = "envs"\n'
    text += '[model]\nkind = "keras"\nsource = "mine:policy"\nfolder = "."\n'
    (there / "a.toml").write_text(text + '[algorithm]\nkind = "maml"\ninner_lr = 0.1\n')
    config = load("../there/a.toml")[0]
    assert config.task.folder == str(there / "envs")
    assert config.model.folder == str(there)


def test_what_may_be_in_the_data_folder_is_beside_the_file_or_there_but_not_in_the_shells(
    tmp_path, here, there
):
    (there / "a.toml").write_text(TEXTS)
    (here / "a.csv").write_text("")
    assert load("../there/a.toml")[0].task.path == str(there / "a.csv")
    (tmp_path / "data" / "a.csv").write_text("")
    assert load("../there/a.toml")[0].task.path == str(tmp_path / "data" / "a.csv")
    (here / "a.csv").unlink()
    assert load("../there/a.toml")[0].task.path == "a.csv", "wherever the data folder is then"
    (there / "a.csv").write_text("")
    assert load("../there/a.toml")[0].task.path == str(there / "a.csv")


def test_a_path_that_is_nowhere_is_told_with_where_it_was_looked_for(tmp_path, there):
    (there / "a.toml").write_text(TEXTS)
    config, _ = load("../there/a.toml")
    expected = f"there is no file {there / 'a.csv'}, nor {tmp_path / 'data' / 'a.csv'}; name one"
    with pytest.raises(DataError, match=expected):
        make_family(config.task)


def test_a_runs_own_file_is_the_same_configuration_from_anywhere(there, here, monkeypatch):
    (there / "a.toml").write_text(IMAGES + REST)
    config = load("../there/a.toml")[0]
    (here / "config.toml").write_text(to_toml(config))
    monkeypatch.chdir("/")
    assert load(str(here / "config.toml"))[0] == config


# Bases.


def test_a_run_may_be_based_on_a_preset_or_on_a_file_beside_it(there):
    (there / "a.toml").write_text('base = "omniglot-5w1s"\n[task]\npath = "a.zip"\nshots = 3\n')
    (there / "sub").mkdir()
    (there / "sub" / "b.toml").write_text('base = "../a.toml"\nseed = 4\n[outer]\nsteps = 7\n')
    config = load("../there/sub/b.toml")[0]
    preset = load("omniglot-5w1s")[0]
    assert config.task == preset.task.model_copy(update={"path": str(there / "a.zip"), "shots": 3})
    assert config.outer == preset.outer.model_copy(update={"steps": 7})
    assert (config.seed, config.name, config.model) == (4, "b", preset.model)


def test_a_kind_of_ones_own_goes_over_the_bases_and_is_noted(there):
    (there / "a.toml").write_text('base = "sinusoid"\n[model]\nkind = "linear"\n')
    config, notes = load("../there/a.toml")
    assert config.model.kind == "linear"
    assert any("model.kind" in note and "'linear'" in note for note in notes)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ('"sinusod"', "a.toml: base = 'sinusod': no preset is called 'sinusod' (did you mean"),
        ('"b.toml"', "a.toml: base = 'b.toml': no such file: b.toml (looked in "),
        ('"a.toml"', "more than 8 files are based on each other"),
        ("3", "base = 3: give a preset, or a file that ends in .toml"),
        ('"sweep.toml"', "sweep.toml is a sweep, not a run"),
    ],
)
def test_a_base_that_is_none_is_refused(there, base, expected):
    (there / "a.toml").write_text(f"base = {base}\n")
    (there / "sweep.toml").write_text('base = "sinusoid"\n[space]\nseed = {choice = [1, 2]}\n')
    assert expected in refusal("../there/a.toml")


# Files that somebody's editor or nobody's hand wrote.


def test_a_byte_order_mark_is_passed_over(there):
    text = (PRESETS / "sinusoid.toml").read_bytes()
    (there / "a.toml").write_bytes(b"\xef\xbb\xbf" + text)
    assert load("../there/a.toml", ["name=sinusoid"])[0] == load("sinusoid")[0]


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 3000 + "]" * 3000,
        "a = " + "{a = " * 3000 + "1" + "}" * 3000,
        "a = " + "[" * 100 + "]" * 100,
        ".".join("a" * 3000) + " = 1",
        "[" + ".".join("a" * 3000) + "]",
    ],
    ids=["lists", "tables", "a hundred lists", "a dotted key", "a dotted table"],
)
def test_what_is_nested_too_deep_is_refused_in_a_line(there, text):
    (there / "a.toml").write_text(text)
    assert "more than 20 deep" in refusal("../there/a.toml")
    if " = " in text:
        key, _, value = text.partition(" = ")
        told = refusal("sinusoid", [f"{key}={value}"])
        assert "more than 20 deep" in told
        assert len(told) < 200
    (there / "s.toml").write_text('base = "sinusoid"\n' + text)
    with pytest.raises(ValueError, match="more than 20 deep"):
        configuration.read_table(str(there / "s.toml"))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.toml")
    message = "a.toml is a pipe or a device; write its content into a file first"
    assert refusal(tmp_path / "a.toml").endswith(message)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["outer.learning_rate={}"], "unknown key outer.learning_rate (did you mean 'outer.lr'?)"),
        (["nosuch={}"], "unknown key nosuch"),
        (["outer.lr={}"], "outer.lr must be a number, got {}"),
        ({"outer": {"learning_rate": {}}}, "unknown key outer.learning_rate"),
    ],
)
def test_an_empty_table_is_no_way_round_the_schema(overrides, expected):
    assert expected in refusal("sinusoid", overrides)


@pytest.mark.parametrize("key", [".outer", "outer..steps", "outer.", ". .steps"])
def test_a_name_that_is_missing_beside_a_dot_is_told(key):
    assert refusal("sinusoid", [f"{key}=1"]).endswith(
        "a dot must be between two names; for example outer.steps"
    )


def test_an_unknown_key_is_named_before_one_that_is_missing():
    told = refusal("table", ["task.path=a.csv", "task.group_column=sensor"])
    assert told.startswith("unknown key task.group_column")


def test_an_empty_table_leaves_a_section_as_it_was():
    table = configuration.read_table("sinusoid")
    merge(table, {"outer": {}, "runtime": {}})
    assert table == configuration.read_table("sinusoid") | {"runtime": {}}


# Suggestions.


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("outer.learning_rate", "outer.lr"),
        ("algorithm.learning_rate", "algorithm.inner_lr"),
        ("learning_rate", "outer.lr"),
        ("steps", "outer.steps"),
        ("inner_lr", "algorithm.inner_lr"),
        ("outer.inner_steps", "algorithm.inner_steps"),
        ("batch_size", "outer.meta_batch_size"),
        ("n-way", "task.ways"),
        ("optimiser", "outer.optimizer"),
        ("algorithm.lr", "algorithm.inner_lr"),
        ("outer.batch_size", "outer.meta_batch_size"),
        ("xyzzy", ""),
    ],
)
def test_a_key_by_another_name_or_without_its_section_is_suggested(key, expected):
    assert meant(key, MetaConfig) == expected


def test_all_that_is_suggested_is_in_the_schema():
    known = {name for name, _ in keys_of(MetaConfig)}
    assert {name for names in ALIASES.values() for name in names} <= known
    assert not ALIASES.keys() & known


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "--seed", "3"], "--set seed=3"),
        (["train", "--seed=3"], "--set seed=3"),
        (["train", "sinusoid", "outer.steps=100"], "--set outer.steps=100"),
        (["train", "sinusoid", "--inner-lr", "0.1"], "--set algorithm.inner_lr=0.1"),
        (["tune", "sinusoid", "--steps", "5"], "--set outer.steps=5"),
        (["evaluate", "run", "--shots"], "--set task.shots=VALUE"),
        (["submit", "--", "train", "--seed", "3"], "--set seed=3"),
    ],
)
def test_a_setting_that_is_typed_as_an_option_is_told_how(monkeypatch, capsys, words, expected):
    monkeypatch.setattr(sys, "argv", ["metatrain", *words])
    with pytest.raises(SystemExit) as end:
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert line.endswith(f"; to change a setting, use {expected}")


def test_the_version_is_told(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["metatrain", "--version"])
    main()
    assert capsys.readouterr().out.startswith("metatrain 0.")


# A job.


def test_a_job_finds_relative_data_where_the_file_lies(here, monkeypatch):
    from orchestrator.jobs.shipping import choose
    from orchestrator.jobs.submission import plan

    (here / "configs").mkdir()
    (here / "configs" / "a.toml").write_text('base = "b.toml"\nseed = 1\n')
    (here / "configs" / "b.toml").write_text(IMAGES.replace('split_file = "s.json"\n', "") + REST)
    (here / "configs" / "a.zip").write_text("")
    values = dict.fromkeys(("overrides", "out", "workers"))
    values |= dict.fromkeys(("resume", "allow_changes", "verbose"), False)
    job = plan("train", {**values, "preset": "configs/a.toml"}, choose(Path.cwd()))
    assert job.words[:2] == ("train", "configs/a.toml")
    (here / ".gitignore").write_text("b.toml\n")
    with pytest.raises(ValueError, match=r"configs/b.toml is not shipped: an ignore file names it"):
        plan("train", {**values, "preset": "configs/a.toml"}, choose(Path.cwd()))
    (here / ".gitignore").write_text("a.zip\n")
    with pytest.raises(ValueError, match=r"task.path = configs/a.zip is not shipped"):
        plan("train", {**values, "preset": "configs/a.toml"}, choose(Path.cwd()))


def test_a_sweep_begun_before_paths_were_absolute_goes_on(there):
    from orchestrator.storage.storage import Storage
    from orchestrator.sweep import record
    from orchestrator.sweep.settings import read_sweep

    (there / "b.toml").write_text(IMAGES + REST)
    text = 'base = "b.toml"\n[space]\n"outer.lr" = {choice = [0.1, 0.2]}\n'
    (there / "s.toml").write_text(text)
    sweep, table = read_sweep(str(there / "s.toml"))
    storage = Storage(str(there / "out"))
    record.write(storage, sweep, table)
    then = json.loads(storage.read(record.SWEEP_FILE))
    then["run"]["task"]["path"] = "a.zip"
    storage.write(record.SWEEP_FILE, json.dumps(then).encode())
    record.check(storage, sweep, table, resume=True)
    then["run"]["task"]["path"] = "b.zip"
    storage.write(record.SWEEP_FILE, json.dumps(then).encode())
    with pytest.raises(ValueError, match=r"run.task.path = 'b.zip' there"):
        record.check(storage, sweep, table, resume=True)


def test_a_key_of_a_sweeps_file_that_is_typed_as_an_option_is_told(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["metatrain", "tune", "sinusoid", "--samples", "3"])
    with pytest.raises(SystemExit):
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("; samples is a key of the sweep's file; set it there")


SAVED = '[task]\npath = "a.zip"\n[model]\nkind = "keras"\nsource = "{}"\n'


@pytest.mark.parametrize("kept", ["small.keras", "models/small.keras"])
def test_a_saved_model_is_looked_for_beside_the_file_that_names_it(tmp_path, kept):
    (tmp_path / "own" / "models").mkdir(parents=True)
    (tmp_path / "own" / kept).write_bytes(b"")
    (tmp_path / "own" / "base.toml").write_text('base = "images"\n' + SAVED.format(kept))
    (tmp_path / "top.toml").write_text('base = "own/base.toml"\n')
    assert load(str(tmp_path / "top.toml"))[0].model.source == str(tmp_path / "own" / kept)


@pytest.mark.parametrize(
    "source", ['small.keras"\nfolder = "elsewhere', "missing.keras", "models:small"]
)
def test_other_models_count_from_the_folder_of_the_model(tmp_path, source):
    (tmp_path / "small.keras").write_bytes(b"")
    (tmp_path / "top.toml").write_text('base = "images"\n' + SAVED.format(source))
    found = load(str(tmp_path / "top.toml"))[0].model
    assert found.source == source.partition('"')[0]
