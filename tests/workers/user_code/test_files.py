"""The files of a user's code: what is in its digest, and what has changed since its import."""

import hashlib
import importlib
import sys
from pathlib import Path

import pytest

from workers.user_code.code_digest import agree
from workers.user_code.files import digest_of_files, files_of
from workers.user_code.modules import import_module


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write files, and forget the modules that they were imported as."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def write(**texts):
        for name, text in texts.items():
            file = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        return str(tmp_path)

    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def names_of(name, folder):
    used, imported = files_of([import_module(name, folder)], folder)
    return [file.name for file in (*used, *imported)]


def test_modules_of_constants_and_of_imports_in_functions_are_followed(write):
    folder = write(
        uc_loss="from uc_settings import DELTA\n\n\ndef loss(y, z):\n    import uc_late\n",
        uc_settings="from uc_more import DELTA\n",
        uc_more="DELTA = 1.0\n",
        uc_late="import json\n",
        uc_other="",
    )
    assert names_of("uc_loss", folder) == [
        "uc_loss.py",
        "uc_settings.py",
        "uc_late.py",
        "uc_more.py",
    ]


def test_parts_of_packages_are_followed(write):
    folder = write(
        uc_start="from uc_package.part import VALUE\n",
        uc_package__init="",
        uc_package__part="from . import sizes\nfrom .deep import X as VALUE\n",
        uc_package__sizes="WIDTH = 3\n",
        uc_package__deep="X = 1\n",
    )
    package = Path(folder, "uc_package")
    (package / "init.py").rename(package / "__init__.py")
    assert sorted(names_of("uc_start", folder)) == [
        "__init__.py",
        "deep.py",
        "part.py",
        "sizes.py",
        "uc_start.py",
    ]


def test_the_first_part_of_the_digest_is_what_older_versions_recorded(write):
    folder = write(
        uc_loss="import uc_helper\nimport numpy as np\nfrom uc_settings import DELTA\n",
        uc_helper="scale = 1.0\n",
        uc_settings="DELTA = 1.0\n",
    )
    module = import_module("uc_loss", folder)
    total = hashlib.sha256()
    for name in ("uc_loss", "uc_helper"):
        total.update(hashlib.sha256(Path(folder, f"{name}.py").read_bytes()).digest())
    now = digest_of_files([module], folder).hexdigest()
    assert agree(now, total.hexdigest())
    write(uc_settings="DELTA = 2.0\n")
    later = digest_of_files([module], folder).hexdigest()
    assert agree(later, total.hexdigest())
    assert not agree(later, now)


@pytest.mark.parametrize("edited", ["uc_loss", "uc_settings"])
def test_a_file_that_changed_since_its_import_is_refused(write, edited):
    texts = {"uc_loss": "from uc_settings import DELTA\n", "uc_settings": "DELTA = 1.0\n"}
    folder = write(**texts)
    import_module("uc_loss", folder)
    import_module("uc_loss", folder)
    write(**{edited: texts[edited] + "# another\n"})
    message = rf"^.*/{edited}\.py has changed since this process imported it, .*; restart Python"
    with pytest.raises(ValueError, match=message):
        import_module("uc_loss", folder)
    importlib.reload(sys.modules[edited])
    import_module("uc_loss", folder)


def test_a_package_of_another_folder_is_not_taken_for_it(write, tmp_path):
    folder = write(uc_named__init="")
    (tmp_path / "uc_named/init.py").rename(tmp_path / "uc_named/__init__.py")
    import_module("uc_named", folder)
    other = tmp_path / "other/uc_named"
    other.mkdir(parents=True)
    (other / "__init__.py").touch()
    with pytest.raises(ValueError, match=r"'uc_named' of \[model\] was imported from .*another"):
        import_module("uc_named", str(other.parent), "model")
