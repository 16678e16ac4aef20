import pytest
from small_configs import sinusoid

from orchestrator.config.schema import load, to_toml
from orchestrator.run.locations import run_location, sweep_location


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def location(resume, out=None, source="small"):
    return run_location(sinusoid(), source, out, resume)


def test_a_new_run_gets_the_first_folder_that_is_free(tmp_path):
    assert location(False) == "runs/small"
    make(tmp_path, "runs/small/x", "runs/small-3/x")
    assert location(False) == "runs/small-2"
    assert location(False, out="there") == "there"


def test_a_resume_takes_the_last_folder_that_holds_a_run(tmp_path):
    make(tmp_path, "runs/small/config.toml", "runs/small-2/history.json", "runs/small-3/notes.txt")
    assert location(True) == "runs/small-2"
    make(tmp_path, "runs/small-10/config.toml")
    assert location(True) == "runs/small-10"
    assert location(True, out="there") == "there"


@pytest.mark.parametrize("there", [[], ["runs/small/notes.txt"]])
def test_a_resume_of_nothing_is_refused_and_says_what_to_do(tmp_path, there):
    make(tmp_path, *there)
    expected = (
        "there is no run to resume: runs/small holds none; leave out --resume to start one there, "
        "or give --out with the folder of the run"
    )
    with pytest.raises(ValueError, match=f"^{expected}$"):
        location(True)


@pytest.mark.parametrize("mark", ["checkpoints", "history.json"])
def test_a_runs_own_configuration_resumes_that_run(tmp_path, mark):
    make(tmp_path, "runs/first/config.toml", f"runs/first/{mark}", "runs/small/config.toml")
    assert location(True, source="runs/first/config.toml") == "runs/first"
    assert location(True, source="./runs/first/config.toml") == "runs/first"
    assert location(False, source="runs/first/config.toml") == "runs/small-2"
    assert location(True, out="there", source="runs/first/config.toml") == "there"


def test_a_file_of_that_name_alone_is_no_run(tmp_path):
    make(tmp_path, "mine/config.toml")
    with pytest.raises(ValueError, match="there is no run to resume"):
        location(True, source="mine/config.toml")


def test_a_resumed_sweep_is_the_last_that_there_is(tmp_path):
    make(tmp_path, "runs/a-sweep/sweep.json", "runs/a-sweep-2/other")
    assert sweep_location("a-sweep", None, True) == "runs/a-sweep"
    assert sweep_location("a-sweep", None, False) == "runs/a-sweep-3"
    with pytest.raises(ValueError, match="there is no sweep to resume: runs/b-sweep holds none"):
        sweep_location("b-sweep", None, True)


def test_a_path_is_a_configuration_as_its_text_is(tmp_path):
    (tmp_path / "mine.toml").write_text(to_toml(sinusoid()))
    assert load(tmp_path / "mine.toml") == load(str(tmp_path / "mine.toml"))


def test_a_runs_folder_in_the_place_of_its_file_is_told(tmp_path):
    make(tmp_path, "runs/first/config.toml")
    with pytest.raises(ValueError, match=r"^runs/first is a folder; give its file: runs/first/con"):
        load("runs/first")
