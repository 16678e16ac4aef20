"""The token of a Ray that is started here."""

import os
import re
import threading

import pytest

from orchestrator.pool.ray_token import save_token


@pytest.fixture(autouse=True)
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_nobody_else_can_read_a_new_token(tmp_path):
    path = tmp_path / "home" / ".ray" / "auth_token"
    save_token(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch("[0-9a-f]{64}", path.read_text())
    assert os.listdir(path.parent) == ["auth_token"]


def test_a_token_that_is_there_stays(tmp_path):
    path = tmp_path / "auth_token"
    path.write_text("the user's own")
    save_token(path)
    assert path.read_text() == "the user's own"
    assert os.listdir(tmp_path) == ["auth_token"]


def test_two_first_runs_at_once_agree(tmp_path):
    path, read = tmp_path / "auth_token", []

    def run():
        barrier.wait()
        save_token(path)
        read.append(path.read_text())

    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read) == 8
    assert len(set(read)) == 1
    assert len(read[0]) == 64


def test_a_home_that_cannot_be_written_to_is_an_error_of_the_system(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        save_token(tmp_path / "file" / "auth_token")
