"""Damaged checkpoints on the command line: named and skipped; one line if all are damaged."""

import json
import shutil

import pytest
from shell_commands import metatrain, write_config
from small_checkpoints import FILES, flip
from small_configs import sinusoid
from small_runs import in_process

from orchestrator.cli import checkpoints_command, evaluate_command
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage.storage import Storage


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with small.toml and a finished run, which tests do not change."""
    folder = tmp_path_factory.mktemp("trained")
    config = sinusoid("outer.lr=1.0", "outer.steps=20", "checkpoint.every=2")
    write_config(folder, config)
    run = TrainingRun(config, Storage(str(folder / "run")), in_process(config), None)
    for _ in run.steps():
        run.flush()
    run.test()
    run.close()
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def checkpoints(folder):
    return sorted((folder / "run" / "checkpoints").iterdir())


def damage(file):
    content = file.read_bytes()
    file.write_bytes(flip(content, len(content) // 2))


def row(output, name):
    """Return the cells of a checkpoint's row, with folded lines joined."""
    cells, inside = [], False
    for line in output.splitlines():
        parts = [part.strip() for part in line.strip("│┃").split("│")]
        inside = parts[0] == name or (inside and parts[0] == "")
        if inside:
            cells.append(parts)
    return [" ".join(part for part in column if part) for column in zip(*cells, strict=True)]


def test_a_runs_checkpoints_are_listed_with_what_they_are_for(trained):
    done = metatrain(trained, "checkpoints", "run")
    assert (done.returncode, done.stderr) == (0, "")
    names = [path.name for path in checkpoints(trained)]
    assert len(names) == 3
    for name in names:
        assert row(done.stdout, name)[1] == str(int(name[5:]))
        assert row(done.stdout, name)[2].endswith("kB")
        assert row(done.stdout, name)[4] == "verified"
    best, middle, latest = (row(done.stdout, name) for name in names)
    assert best[3].startswith("loss ")
    assert (best[5], middle[5], latest[5]) == ("evaluate", "", "resume")
    assert middle[3] == ""


@pytest.mark.parametrize("file", FILES)
def test_what_is_wrong_with_one_is_in_its_row(folder, file):
    newest = checkpoints(folder)[-1]
    damage(newest / file)
    done = metatrain(folder, "checkpoints", "run")
    assert done.returncode == 1
    assert f"do not verify ({newest.name}); a resume uses ckpt-" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    cells = row(done.stdout, newest.name)
    assert file in cells[4]
    assert ("damaged" if file == "manifest.json" else "sha256 differs") in cells[4]
    assert cells[5] == ""
    assert row(done.stdout, checkpoints(folder)[-2].name)[5] == "resume"


def test_one_that_is_not_finished_is_listed_as_such(folder):
    (checkpoints(folder)[-1] / "manifest.json").unlink()
    done = metatrain(folder, "checkpoints", "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert row(done.stdout, "ckpt-00000020")[4] == "not finished (it has no manifest)"


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "words",
    [["train", "small.toml", "--out", "run", "--resume"], ["evaluate", "run"]],
    ids=["train", "evaluate"],
)
def test_if_all_are_bad_there_is_one_line(folder, words, file):
    for path in checkpoints(folder):
        damage(path / file)
    done = metatrain(folder, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("metatrain: no checkpoint in run verifies: ckpt-")
    assert file in done.stderr


@pytest.mark.parametrize("file", FILES)
def test_if_all_are_bad_they_are_listed_and_there_is_one_line(folder, file):
    for path in checkpoints(folder):
        damage(path / file)
    done = metatrain(folder, "checkpoints", "run")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("metatrain: no checkpoint in run verifies: ckpt-")
    for path in checkpoints(folder):
        assert file in row(done.stdout, path.name)[4]


def test_where_no_run_is_the_input_is_wrong(tmp_path):
    done = metatrain(tmp_path, "checkpoints", "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "metatrain: nowhere holds no run; give the folder or the URI of one\n"


def test_a_run_that_has_saved_nothing_yet_is_one_line(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text("")
    done = metatrain(tmp_path, "checkpoints", "run")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "run holds no checkpoint; train with --resume starts from the beginning" in done.stderr


def test_nothing_is_cut_in_a_narrow_terminal(trained, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    checkpoints_command.list_checkpoints(str(trained / "run"))
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert all(path.name in shown for path in checkpoints(trained))


def test_another_checkpoint_than_the_best_is_evaluated_by_name_or_step(trained, tmp_path, capsys):
    names = [path.name for path in checkpoints(trained)]
    for number, named in enumerate((names[0], str(int(names[0].rpartition("-")[2])))):
        out = tmp_path / f"{number}.json"
        evaluate_command.evaluate_run(str(trained / "run"), [], "0", out, False, False, named)
        assert json.loads(out.read_text())["checkpoint"] == names[0]
    with pytest.raises(ValueError, match=f"--checkpoint 7: .*there are {', '.join(names)}"):
        evaluate_command.evaluate_run(str(trained / "run"), [], "0", None, False, False, "7")
