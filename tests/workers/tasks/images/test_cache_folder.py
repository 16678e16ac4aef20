import os

import pytest

from workers.settings.images_task import DEFAULT_CACHE, ImagesTask
from workers.tasks.images import cache_folder
from workers.tasks.images.cache_folder import cache_file
from workers.wire.errors import DataError


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_folder.tempfile, "gettempdir", lambda: str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    return tmp_path / "temp" / f"metatrain-{os.getuid()}"


def no_passwd_entry(path):
    raise RuntimeError("Could not determine home directory.")


def test_images_are_kept_in_the_users_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_file(DEFAULT_CACHE, "a") == tmp_path / ".cache" / "metatrain" / "a"


def test_without_a_home_they_are_kept_in_a_folder_of_the_users_alone(monkeypatch, temporary):
    monkeypatch.setattr(cache_folder.Path, "expanduser", no_passwd_entry)
    assert cache_file(DEFAULT_CACHE, "a") == temporary / "a"
    assert temporary.stat().st_mode & 0o777 == 0o700
    assert ImagesTask.model_validate({"path": None, "cache": DEFAULT_CACHE}).cache == DEFAULT_CACHE


def test_a_home_that_cannot_be_written_to_is_read_and_not_written(tmp_path, monkeypatch, temporary):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cache_folder.os, "access", lambda folder, mode: False)
    kept = tmp_path / ".cache" / "metatrain"
    kept.mkdir(parents=True)
    (kept / "there").touch()
    assert cache_file(DEFAULT_CACHE, "there") == kept / "there"
    assert cache_file(DEFAULT_CACHE, "new") == temporary / "new"


def test_a_folder_that_the_user_named_is_the_one(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_folder.os, "access", lambda folder, mode: False)
    assert cache_file(str(tmp_path), "a") == tmp_path / "a"


def test_a_temporary_folder_that_others_can_write_to_is_not_believed(monkeypatch, temporary):
    monkeypatch.setattr(cache_folder.Path, "expanduser", no_passwd_entry)
    temporary.mkdir()
    temporary.chmod(0o777)
    with pytest.raises(DataError, match=r"can be written by others; use --set task\.cache=FOLDER"):
        cache_file(DEFAULT_CACHE, "a")
