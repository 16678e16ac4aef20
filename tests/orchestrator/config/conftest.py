"""Folders for TOML files and for the command that reads them."""

import pytest


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory, beside the folder of the files."""
    for name in ("here", "there", "data"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("METATRAIN_DATA", str(tmp_path / "data"))
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path):
    return tmp_path / "there"
