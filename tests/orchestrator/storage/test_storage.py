import os
import subprocess
import sys

import pytest
from faulty_files import FaultyFiles, fail_at
from pyarrow import fs

from orchestrator.storage.storage import Storage


@pytest.fixture(params=["local", "object store"])
def storage(request, tmp_path):
    if request.param == "local":
        return Storage(str(tmp_path / "run"))
    return Storage("mock://bucket/run")


def test_what_is_written_is_read(storage):
    content = bytes(range(256)) * 3
    storage.write("a/b/c.bin", content)
    assert storage.read("a/b/c.bin") == content
    storage.write("a/b/c.bin", b"")
    assert storage.read("a/b/c.bin") == b""


def test_names_are_listed_sorted_and_without_their_folder(storage):
    for name in ("a/2", "a/10", "a/1/x", "b"):
        storage.write(name, b"")
    assert storage.list("a") == ["1", "10", "2"]
    assert storage.list() == ["a", "b"]


def test_a_folder_that_is_not_there_is_empty(storage):
    assert storage.list() == []
    assert storage.list("nowhere") == []
    assert not storage.exists("nowhere")


def test_a_file_that_is_not_there_is_not_found(storage):
    storage.write("other", b"")
    with pytest.raises(FileNotFoundError):
        storage.read("nowhere")


def test_what_is_deleted_is_gone(storage):
    for name in ("a/1", "a/2", "b"):
        storage.write(name, b"")
    storage.delete("b")
    storage.delete_dir("a")
    assert storage.list() == []
    assert not storage.exists("a/1")


def test_opening_a_folder_does_not_make_it(tmp_path):
    storage = Storage(str(tmp_path / "run"))
    storage.exists("config.toml")
    storage.list("checkpoints")
    assert list(tmp_path.iterdir()) == []


def test_only_a_local_folder_has_a_path(tmp_path):
    assert Storage("mock://bucket/run").local is None
    assert Storage(str(tmp_path)).local == tmp_path
    assert Storage(tmp_path.as_uri()).local == tmp_path


def test_a_relative_path_is_meant_from_here_whatever_comes_later(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = Storage("runs/a")
    monkeypatch.chdir("/")
    storage.write("x", b"1")
    assert (tmp_path / "runs" / "a" / "x").read_bytes() == b"1"


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Storage("~/runs").local == tmp_path / "runs"


@pytest.mark.parametrize("name", ["a#1", "a?b", "a b", "a%20b", "ä", "lr=0.1"])
def test_a_folder_is_called_as_it_is_typed(tmp_path, name):
    storage = Storage(str(tmp_path / name))
    storage.write("x", b"1")
    assert [folder.name for folder in tmp_path.iterdir()] == [name]


def test_a_file_uri_is_unquoted(tmp_path):
    folder = tmp_path / "a b"
    Storage(folder.as_uri()).write("x", b"1")
    assert (folder / "x").read_bytes() == b"1"


def test_an_unknown_filesystem_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^nosuch://bucket/run cannot be opened: ") as error:
        Storage("nosuch://bucket/run")
    assert "\n" not in str(error.value)


def test_a_local_file_and_its_folder_are_fsynced(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd))
    )
    storage = Storage(str(tmp_path))
    storage.write("a/b/x", b"1")
    folder = tmp_path / "a" / "b"
    made = [tmp_path, tmp_path / "a"]
    assert synced == [str(path) for path in (*made, folder / ".x.part", folder)]
    synced.clear()
    storage.write("a/b/y", b"1")
    assert synced == [str(folder / ".y.part"), str(folder)]
    assert storage.list("a/b") == ["x", "y"]


def test_a_local_file_that_cannot_be_written_leaves_the_one_before(tmp_path):
    Storage(str(tmp_path)).write("x", b"1")
    files = FaultyFiles(fs.LocalFileSystem(), fail_at(2))
    with pytest.raises(OSError, match="No space left"):
        Storage(str(tmp_path), files.filesystem()).write("x", b"22")
    assert files.done[-1][0] == "torn"
    assert (tmp_path / "x").read_bytes() == b"1"
    assert os.listdir(tmp_path) == ["x"]


def test_what_is_deleted_locally_stays_deleted(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync
    storage = Storage(str(tmp_path))
    storage.write("a/x", b"1")
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd))
    )
    storage.delete("a/x")
    storage.delete_dir("a")
    assert synced == [str(tmp_path / "a"), str(tmp_path)]


def test_a_folder_that_was_claimed_for_nothing_is_not_left_behind(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    for folder, stays in (("new", False), ("used", True), ("mine", True)):
        storage = Storage(str(tmp_path / folder))
        storage.claim()
        if folder == "used":
            storage.write("config.toml", b"")
        storage.release()
        assert (tmp_path / folder).exists() == stays
        storage.release()


CLAIM = "from orchestrator.storage.storage import Storage; import sys; Storage(sys.argv[1]).claim()"


def test_a_folder_is_claimed_by_one_process_at_a_time(tmp_path):
    folder = tmp_path / "a" / "run"
    storage = Storage(str(folder))
    storage.claim()
    assert folder.is_dir()
    with pytest.raises(ValueError, match=rf"is in use by process {os.getpid()} on .*; wait for it"):
        Storage(str(folder)).claim()
    other = [sys.executable, "-c", CLAIM]
    refused = subprocess.run([*other, str(folder)], capture_output=True, text=True)
    assert f"is in use by process {os.getpid()} on" in refused.stderr
    assert subprocess.run([*other, str(tmp_path / "b")]).returncode == 0
    Storage(str(tmp_path / "b")).claim()  # the process that had claimed it is gone
