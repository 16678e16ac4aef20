"""TOML files: the folder of their relative paths, also in jobs and sweeps."""

import json
from pathlib import Path

import pytest

from orchestrator.config.schema import load, to_toml
from workers.tasks.registry import make_family
from workers.wire.errors import DataError

IMAGES = '[task]\nkind = "images"\npath = "a.zip"\ncache = "cache"\nsplit_file = "s.json"\n'
REST = '[model]\nkind = "conv4"\n[algorithm]\nkind = "maml"\ninner_lr = 0.1\n'
TEXTS = '[task]\nkind = "text"\npath = "a.csv"\n[model]\nkind = "text"\n'
TEXTS += '[algorithm]\nkind = "maml"\ninner_lr = 0.1\n'


pytestmark = pytest.mark.usefixtures("here")


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
    result = load("../there/a.toml")[0].task.path
    assert result == (str(there / "a.zip"), str(there.parent / "b.zip"), "/c.zip")


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


BACKBONE = """[task]
kind = "images"
path = "a.zip"
[model]
backbone = "small.keras"
backbone_cache = "stored"
"""
SAVED = '[task]\npath = "a.zip"\n[model]\nkind = "keras"\nsource = "{}"\n'


@pytest.mark.parametrize("kept", ["small.keras", "models/small.keras"])
def test_a_saved_model_is_looked_for_beside_the_file_that_names_it(tmp_path, kept):
    (tmp_path / "own" / "models").mkdir(parents=True)
    (tmp_path / "own" / kept).write_bytes(b"")
    (tmp_path / "own" / "base.toml").write_text('base = "images"\n' + SAVED.format(kept))
    (tmp_path / "top.toml").write_text('base = "own/base.toml"\n')
    assert load(str(tmp_path / "top.toml"))[0].model.source == str(tmp_path / "own" / kept)


def test_a_backbone_and_its_cache_are_looked_for_beside_the_file_that_names_them(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "small.keras").write_bytes(b"")
    (tmp_path / "own" / "base.toml").write_text(BACKBONE)
    (tmp_path / "top.toml").write_text('base = "own/base.toml"\n')
    model = load(str(tmp_path / "top.toml"))[0].model
    assert (model.kind, model.folder) == ("mlp", str(Path.cwd()))
    assert model.backbone == str(tmp_path / "own" / "small.keras")
    assert model.backbone_cache == str(tmp_path / "own" / "stored")


def test_a_run_keeps_a_folder_only_where_one_is_of_use(tmp_path):
    text = to_toml(load("images", ["model.kind=mlp"])[0])
    assert "folder" not in text
    assert load("images", ["model.kind=mlp", "model.folder=elsewhere"])[0].model.folder


@pytest.mark.parametrize(
    "source", ['small.keras"\nfolder = "elsewhere', "missing.keras", "models:small"]
)
def test_other_models_count_from_the_folder_of_the_model(tmp_path, source):
    (tmp_path / "small.keras").write_bytes(b"")
    (tmp_path / "top.toml").write_text('base = "images"\n' + SAVED.format(source))
    result = load(str(tmp_path / "top.toml"))[0].model
    assert result.source == source.partition('"')[0]
