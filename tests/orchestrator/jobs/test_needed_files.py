"""The files that a job of each family needs on the cluster: data, and the user's modules."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
import tomli_w

from orchestrator.config.keys import places_of
from orchestrator.jobs import shipping
from orchestrator.jobs.submission import plan
from workers.settings.tasks import TASKS

#: What a configuration of the family cannot leave out.
NEEDED = {
    "table": {"path": "a.csv", "task_column": "a", "target_column": "b"},
    "text": {"path": "a.csv"},
    "matching": {"path": "a.csv"},
    "generation": {"path": "a.csv"},
    "npz": {"path": "a.csv"},
    "signal": {"path": "a.csv"},
    "gym": {"environment": "CartPole-v1"},
}
#: What stands beside a path in the configuration.
BESIDE = {
    ("images", "test_path"): {"mix": False, "path": "here.csv"},
    ("gym", "split_file"): {"vary": {"length": {"choice": [0.5, 1.0, 2.0]}}},
}
#: Files that are read with the configuration, before it is known that there is a job.
READ_AT_ONCE = {("gym", "environments")}
PATHS = [
    (kind, field)
    for kind, record in TASKS.items()
    for field in record.data
    if (kind, field) not in READ_AT_ONCE
]
IN_A_DATA_FOLDER = [
    (kind, field) for kind, field in PATHS if "data" in places_of(TASKS[kind]).get(field, ())
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that is shipped, with a data folder, and a file of each sort."""
    place = tmp_path / "code"
    for name in ("here.csv", "ignored.csv", "a.csv", "data/there.csv", "data/ignored.csv"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("")
    (place / ".gitignore").write_text("ignored.*\n")
    monkeypatch.chdir(place)
    return place


def notes_of(kind, model="", **changes):
    task = {"kind": kind, **NEEDED.get(kind, {}), **changes}
    for field in changes:
        task |= BESIDE.get((kind, field), {})
    table = {"task": task, **({"model": {"backbone": model}} if model else {})}
    Path("run.toml").write_text(tomli_w.dumps(table))
    values = {"preset": "run.toml", "overrides": None, "out": "s3://bucket/a", "workers": None}
    flags = dict.fromkeys(("resume", "allow_changes", "verbose"), False)
    notes = plan("train", values | flags, shipping.choose(Path.cwd())).notes
    return [note for note in notes if "defaults of" not in note]


@pytest.mark.parametrize("kind", TASKS)
def test_every_path_of_a_family_is_known_as_data_or_is_a_folder(kind):
    others = places_of(TASKS[kind]).keys() - set(TASKS[kind].data)
    assert others <= {"folder", "cache"}
    assert set(TASKS[kind].data) <= places_of(TASKS[kind]).keys()


@pytest.mark.parametrize(("kind", "field"), PATHS)
def test_data_that_are_shipped_need_no_note(folder, kind, field):
    notes = notes_of(kind, **{field: "here.csv"})
    assert [note for note in notes if f"task.{field}" in note] == []


@pytest.mark.parametrize(("kind", "field"), PATHS)
def test_data_of_the_folder_that_are_not_shipped_are_refused(folder, kind, field):
    with pytest.raises(ValueError, match=f"task.{field} = ignored.csv is not shipped: an ignore"):
        notes_of(kind, **{field: "ignored.csv"})


@pytest.mark.parametrize(("kind", "field"), PATHS)
def test_absolute_paths_are_told_to_be_needed_everywhere(folder, kind, field):
    notes = notes_of(kind, **{field: "/far/away.csv"})
    assert f"task.{field} = /far/away.csv: it must exist on each machine" in " ".join(notes)


@pytest.mark.parametrize(("kind", "field"), sorted(set(PATHS) - set(IN_A_DATA_FOLDER)))
def test_what_counts_from_the_file_must_be_there(folder, kind, field):
    with pytest.raises(ValueError, match=f"task.{field} = gone.csv does not exist"):
        notes_of(kind, **{field: "gone.csv"})


@pytest.mark.parametrize(("kind", "field"), IN_A_DATA_FOLDER)
def test_what_may_be_in_a_data_folder_is_shipped_with_it_or_told(folder, kind, field):
    assert notes_of(kind, **{field: "there.csv"}) == []
    for name in ("ignored.csv", "gone.csv"):
        Path("ignored.csv").unlink(missing_ok=True)
        (note,) = notes_of(kind, **{field: name})
        assert f"task.{field} = {name} is not shipped: each machine of the cluster needs" in note
        assert "METATRAIN_DATA" in note


# Environments of one's own.

ENVIRONMENT = "import gymnasium as gym\nclass Mine(gym.Env): ...\n"


def test_a_module_of_an_environment_is_shipped(folder):
    (folder / "my_world.py").write_text(ENVIRONMENT)
    assert notes_of("gym", environment="my_world:Mine") == []
    assert notes_of("gym", environment="CartPole-v1") == []
    assert notes_of("gym", environment="gymnasium:CartPole-v1") == []


@pytest.mark.parametrize(
    ("environment", "changes", "expected"),
    [
        ("ignored:Mine", {}, r"the module 'ignored' of \[task\] is not shipped: an ignore file"),
        ("no_world:Mine", {}, r"there is no module 'no_world' of \[task\] in .*task.folder"),
        ("outside:Mine", {"folder": ".."}, r"the module 'outside' of \[task\] is not in "),
        ("my_world:Mine", {"folder": "/usr"}, "task.folder = '/usr' is not in"),
    ],
)
def test_a_module_of_an_environment_that_would_not_be_there_is_refused(
    folder, environment, changes, expected
):
    (folder / "ignored.py").write_text(ENVIRONMENT)
    (folder.parent / "outside.py").write_text(ENVIRONMENT)
    with pytest.raises(ValueError, match=expected):
        notes_of("gym", environment=environment, **changes)


def test_a_list_of_environments_is_shipped_with_all_its_modules(folder):
    (folder / "my_world.py").write_text(ENVIRONMENT)
    tasks = [{"id": "my_world:Mine", "size": size} for size in range(3)]
    for name in ("tasks.json", "ignored.json"):
        (folder / name).write_text(json.dumps(tasks))
    assert notes_of("gym", environments=tasks) == []
    assert notes_of("gym", environments="tasks.json") == []
    with pytest.raises(ValueError, match=r"task.environments = ignored.json is not shipped"):
        notes_of("gym", environments="ignored.json")
    with pytest.raises(ValueError, match=r"there is no module 'no_world' of \[task\] in"):
        notes_of("gym", environments=[*tasks, {"id": "no_world:Mine"}])


def test_an_absolute_folder_of_an_environment_becomes_a_relative_one(folder):
    (folder / "lib").mkdir()
    (folder / "lib" / "my_world.py").write_text(ENVIRONMENT)
    overrides = [f"task.folder={folder}/lib", "task.environment=my_world:Mine"]
    values = {"preset": "cartpole", "overrides": overrides, "out": None, "workers": None}
    flags = dict.fromkeys(("resume", "allow_changes", "verbose"), False)
    words = plan("train", values | flags, shipping.choose(Path.cwd())).words
    assert "task.folder=lib" in words


def test_the_module_of_a_familys_function_is_shipped(folder):
    task = {"source": "own_tasks:draw"}
    with pytest.raises(ValueError, match=r"there is no module 'own_tasks' of \[task\] in "):
        notes_of("python", **task)
    (folder / "own_tasks.py").write_text("")
    assert notes_of("python", **task) == notes_of("python", folder=str(folder), **task)
    (folder / ".gitignore").write_text("own_tasks.py\n")
    with pytest.raises(ValueError, match=r"the module 'own_tasks' of \[task\] is not shipped"):
        notes_of("python", **task)


@pytest.mark.parametrize(
    ("backbone", "refused"),
    [
        ("here.keras", ""),
        ("ignored.keras", r"model.backbone = .*ignored.keras' is not shipped"),
        ("gone.keras", r"model.backbone = 'gone.keras' does not exist"),
        ("ignored:make", r"the module 'ignored' of \[model\] is not shipped"),
    ],
)
def test_a_backbone_that_the_job_would_lack_is_refused(folder, backbone, refused):
    for name in ("here.keras", "ignored.keras", "ignored.py"):
        (folder / name).touch()
    with pytest.raises(ValueError, match=refused) if refused else nullcontext():
        notes_of("images", path="here.csv", model=backbone)
