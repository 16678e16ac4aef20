"""Which files make a user's model another one."""

import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from workers.models.registry import make_model
from workers.models.user_model import KerasModel
from workers.user_code.code_digest import agree

FOLDER = str(Path(__file__).parents[2] / "fakes/tasks")


def test_the_identity_of_a_model_is_that_of_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    shutil.copy(Path(FOLDER, "user_models.py"), tmp_path / "edited_models.py")
    settings = KerasModel(source="edited_models:frozen", folder=str(tmp_path))
    model = make_model(settings, (4,), 3)
    before = settings.digest(model)
    assert before == settings.digest(model)
    content = Path(tmp_path, "edited_models.py").read_bytes() + model.frozen_sha256().encode()
    assert agree(before, hashlib.sha256(content).hexdigest())  # of runs of older versions
    with Path(tmp_path, "edited_models.py").open("a") as file:
        file.write("\n# changed\n")
    with pytest.raises(ValueError, match=r"edited_models\.py has changed since .*; restart Python"):
        settings.digest(model)
    monkeypatch.delitem(sys.modules, "edited_models")
    assert settings.digest(model) != before


def test_helpers_and_imports_are_in_the_identity_of_a_model(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    shutil.copy(Path(FOLDER, "user_models.py"), tmp_path / "helped_models.py")
    with Path(tmp_path, "helped_models.py").open("a") as file:
        file.write("\nfrom helper_of_models import WIDTH\n")
    digests, names = [], ["helped_models", "helper_of_models", "imported_by_models"]
    for width, extra in [(3, 1), (3, 1), (4, 1), (4, 2)]:
        Path(tmp_path, "helper_of_models.py").write_text(f"WIDTH = {width}\n")
        Path(tmp_path, "imported_by_models.py").write_text(f"EXTRA = {extra}\n")
        for name in names:
            monkeypatch.delitem(sys.modules, name, raising=False)
        settings = KerasModel(
            source="helped_models:frozen", folder=str(tmp_path), imports=("imported_by_models",)
        )
        digests.append(settings.digest(make_model(settings, (4,), 3)))
    assert [digests.index(each) for each in digests] == [0, 0, 2, 3]


def test_a_module_of_that_name_from_another_folder_is_not_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        shutil.copy(Path(FOLDER, "user_models.py"), tmp_path / folder / "named_alike.py")
    first, second = (
        KerasModel(source="named_alike:frozen", folder=str(tmp_path / folder))
        for folder in ("one", "two")
    )
    make_model(first, (4,), 3)
    with pytest.raises(ValueError, match=r"'named_alike' of \[model\] was imported from .*one bef"):
        make_model(second, (4,), 3)
