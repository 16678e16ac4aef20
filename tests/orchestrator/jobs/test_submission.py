"""Planned jobs: ids, commands, run folders, and refused inputs."""

import re
import shlex
from pathlib import Path

import pytest

from orchestrator.config.schema import PRESETS
from orchestrator.jobs import shipping
from orchestrator.jobs.submission import RUNS, job_id, next_attempt, plan

SINUSOID = (PRESETS / "sinusoid.toml").read_text().replace('name = "sinusoid"', "")
TRAIN = {
    "preset": "sinusoid",
    "overrides": None,
    "out": None,
    "workers": None,
    "resume": False,
    "allow_changes": False,
    "verbose": False,
}
EVALUATE = {
    "run": "/runs/a",
    "tasks": None,
    "overrides": None,
    "workers": "0",
    "out": None,
    "allow_changes": False,
    "verbose": False,
}


TUNE = {"sweep": "sinusoid", "overrides": None, "out": None, "resume": False, "verbose": False}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, whose code is shipped."""
    place = tmp_path / "code"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return place


def train(**values):
    return plan("train", TRAIN | values, shipping.choose(Path.cwd()))


def evaluate(**values):
    return plan("evaluate", EVALUATE | values, shipping.choose(Path.cwd()))


def tune(**values):
    return plan("tune", TUNE | values, shipping.choose(Path.cwd()))


def user_model(*overrides):
    return ["model.kind=keras", *overrides]


# Ids.


def test_an_id_is_the_name_and_a_hash_of_what_the_job_does(folder):
    assert re.fullmatch(r"sinusoid-[0-9a-f]{12}", train().id)
    assert train().id == train().id
    other = [
        train(overrides=["seed=1"]),
        train(workers="2"),
        train(out="/runs/a"),
        train(out="/runs/b"),
        train(allow_changes=True),
        train(preset="omniglot-5w1s"),
        evaluate(),
        evaluate(tasks=10),
        tune(),
        tune(overrides=["seed=1"]),
        tune(out="/runs/a"),
    ]
    assert len({train().id, *(item.id for item in other)}) == 1 + len(other)


def test_an_id_depends_neither_on_resuming_nor_on_how_the_same_was_said(folder):
    assert train(resume=True).id == train().id
    assert train(overrides=["seed=0"]).id == train().id
    assert train(out=train().run).id == train().id


def test_an_id_does_not_depend_on_where_the_code_lies_on_this_machine(tmp_path, monkeypatch):
    ids = []
    for home, code in (("a", "code"), ("b", "elsewhere/code")):
        place = tmp_path / home / code
        place.mkdir(parents=True)
        (place / "my_models.py").write_text("")
        monkeypatch.setenv("HOME", str(tmp_path / home))
        monkeypatch.chdir(place)
        ids.append(train(overrides=user_model("model.source=my_models:small")).id)
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Sinusoid 5/shot", "sinusoid-5-shot-"),
        ("-_Ünï", "n-"),
        ("...", "run-"),
        ("x" * 100, "x" * 40 + "-"),
        ("x" * 39 + "--y", "x" * 39 + "-"),
    ],
)
def test_an_id_is_made_of_what_ray_and_kubernetes_allow(name, expected):
    id = job_id(name, "train", "", {})
    assert id[:-12] == expected
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", id)
    assert len(next_attempt(id, [f"{id}-998"])) <= 63


def test_attempts_are_counted_and_one_that_was_deleted_is_not_taken_again():
    assert next_attempt("a-1", []) == "a-1"
    assert next_attempt("a-1", ["a-1"]) == "a-1-2"
    assert next_attempt("a-1", ["a-1-10", "a-1-9"]) == "a-1-11"


# The command and its run folder.


def test_the_run_is_on_the_heads_disk_unless_it_is_said_and_a_note_says_so(folder):
    submission = train()
    assert submission.run == f"{RUNS}/{submission.id}"
    assert any("disk of the cluster's head" in note for note in submission.notes)
    assert train(out="s3://bucket/a").run == "s3://bucket/a"
    assert not train(out="s3://bucket/a").notes
    home = f"{Path.home()}/runs"
    assert any("quote a ~" in note for note in train(out=home).notes)


def test_the_entrypoint_is_what_was_typed_and_the_run_folder(folder):
    given = {"overrides": ["seed=1", "name=it's"], "workers": "2", "verbose": True}
    words = shlex.split(train(**given).entrypoint(again=False))
    assert words[:3] == ["exec", "/bin/sh", ".metatrain/job.sh"]
    run = train(**given).run
    options = ["--set", "seed=1", "--set", "name=it's", "--out", run, "--workers", "2", "--verbose"]
    assert words[3:] == ["train", "sinusoid", *options]


def test_a_later_attempt_resumes_and_an_evaluation_has_nothing_to_resume(folder):
    assert "--resume" not in train().command(again=False)
    assert train().command(again=True).endswith(" --resume")
    assert train(resume=True).command(again=True).count("--resume") == 1
    assert train(resume=True).command(again=False).endswith(" --resume")
    assert evaluate().command(again=True) == "evaluate /runs/a --workers 0"


def test_a_sweep_is_shipped_with_its_base_resumed_by_a_later_attempt_and_its_folder_is_shared(
    folder,
):
    (folder / "base.toml").write_text(SINUSOID)
    sweep = 'base = "base.toml"\n[space]\n"outer.lr" = {uniform = [0.1, 0.2]}\n'
    (folder / "mine.toml").write_text(sweep)
    job = tune(sweep="mine.toml", overrides=["outer.steps=7"])
    assert re.fullmatch(r"mine-sweep-[0-9a-f]{12}", job.id)
    expected = f"tune mine.toml --set outer.steps=7 --out '{RUNS}/{job.id}'"
    assert job.command(again=False) == expected
    assert job.command(again=True) == f"{expected} --resume"
    assert any("every machine of the cluster can write to" in note for note in job.notes)
    assert not tune(sweep="mine.toml", out="s3://bucket/a").notes
    (folder.parent / "base.toml").write_text(SINUSOID)
    (folder / "mine.toml").write_text(sweep.replace("base.toml", "../base.toml"))
    with pytest.raises(ValueError, match=r"base = '../base.toml' is not in .*, the folder that is"):
        tune(sweep="mine.toml")


def test_a_wrong_sweep_is_refused_before_anything_is_sent(folder):
    (folder / "mine.toml").write_text('base = "sinusoid"\n[space]\n"outer.lr" = {choice = [-1]}\n')
    with pytest.raises(ValueError, match=r"outer\.lr must be greater than 0"):
        tune(sweep="mine.toml")


def test_a_python_is_named_before_the_command(folder):
    entrypoint = train().entrypoint(again=False, python="/opt/my env/bin/python")
    assert shlex.split(entrypoint)[3:6] == ["--python", "/opt/my env/bin/python", "train"]


def test_a_toml_file_is_named_as_it_lies_in_what_is_shipped(folder):
    (folder / "configs").mkdir()
    (folder / "configs" / "mine.toml").write_text(SINUSOID)
    absolute = train(preset=str(folder / "configs" / "mine.toml"))
    assert absolute.words[:2] == ("train", "configs/mine.toml")
    assert absolute.id == train(preset="configs/../configs/mine.toml").id
    assert absolute.id.startswith("mine-")


def test_an_absolute_model_folder_becomes_a_relative_one(folder):
    (folder / "lib").mkdir()
    (folder / "lib" / "mine.py").write_text("")
    given = user_model("model.source=mine:small", f"model.folder={folder}/lib")
    assert "model.folder=lib" in train(overrides=given).words
    given = user_model("model.source=mine:small", "model.folder=lib")
    assert train(overrides=given).words.count("model.folder=lib") == 1


# What is refused.


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"out": "runs/a"}, "--out runs/a is relative to .*which Ray deletes; give a path there"),
        ({"out": ""}, "--out '' is relative"),
        ({"out": "s3://KEY:PASSWORD@bucket/a"}, r"s3://\*\*\*@bucket/a holds a secret"),
        ({"out": "s3://bucket/a?secret_key=PASSWORD"}, "holds a secret.*own credentials"),
        (
            {"overrides": ["task.path=s3://K:PASSWORD@b/a"], "preset": "omniglot-5w1s"},
            "holds a secret",
        ),
        ({"preset": "../outside.toml"}, r"\.\./outside.toml is not in .*/code, the folder that is"),
        (
            {"preset": "ignored.toml"},
            "ignored.toml is not shipped: an ignore file names it; give --include ignored.toml",
        ),
        ({"preset": "nowhere.toml"}, "no such file: nowhere.toml"),
        ({"overrides": ["outer.stpes=1"]}, "did you mean 'steps'"),
        ({"overrides": user_model("model.source=nosuch:small")}, "there is no module 'nosuch'"),
        (
            {"overrides": user_model("model.source=ignored:small")},
            "the module 'ignored' of .*not sh",
        ),
        ({"overrides": user_model("model.source=package:f")}, "the package 'package' of .*not sh"),
        ({"overrides": user_model("model.source=gone.keras")}, "'gone.keras' does not exist"),
        ({"overrides": user_model("model.source=ignored.keras")}, "'ignored.keras' is not shipped"),
        (
            {"overrides": user_model("model.source=ok:f", 'model.imports=["nosuch"]')},
            "there is no module 'nosuch'",
        ),
        (
            {"overrides": user_model("model.source=ok:f", "model.folder=/usr")},
            "model.folder = '/usr' is not in",
        ),
        (
            {"overrides": user_model("model.source=outside:f", "model.folder=..")},
            "the module 'outside' of .* is not in",
        ),
        (
            {"preset": "omniglot-5w1s", "overrides": ["task.path=a.zip"]},
            "task.path = a.zip does no",
        ),
        (
            {"preset": "omniglot-5w1s", "overrides": ['task.path=["ignored.keras"]']},
            "task.path = ignored.keras is not shipped",
        ),
    ],
)
def test_what_would_not_work_on_the_cluster_is_refused_by_name(folder, values, expected):
    (folder.parent / "outside.toml").write_text(SINUSOID)
    (folder.parent / "outside.py").write_text("")
    for name in ("ignored.toml", "ignored.py", "ignored.keras", "ok.py", "package/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(SINUSOID if name.endswith(".toml") else "")
    (folder / ".gitignore").write_text("ignored.*\npackage\n")
    with pytest.raises(ValueError, match=expected) as refusal:
        train(**values)
    assert "PASSWORD" not in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"run": "runs/a"}, "RUN runs/a is relative"),
        ({"out": "scores.json"}, "--out scores.json would be deleted"),
        ({"overrides": ["outer.lr=1"]}, "outer.lr does not belong to an evaluation"),
        ({"overrides": ["evaluation.taks=1"]}, "did you mean 'tasks'"),
        ({"tasks": 1}, "evaluation.tasks must be at least 2"),
        ({"workers": "many"}, "many"),
        ({"run": "s3://K:PASSWORD@b/a"}, "holds a secret"),
    ],
)
def test_a_wrong_evaluation_is_refused(folder, values, expected):
    with pytest.raises(ValueError, match=expected) as refusal:
        evaluate(**values)
    assert "PASSWORD" not in str(refusal.value)


def test_data_of_the_clusters_machines_is_a_note_and_shipped_data_is_none(folder):
    (folder / "small.zip").write_text("")
    images = {"preset": "omniglot-5w1s", "out": "s3://bucket/a"}
    assert train(**images, overrides=["task.path=small.zip"]).notes == ()
    (note,) = train(**images, overrides=["task.path=/data/large.zip"]).notes
    assert note == "task.path = /data/large.zip: it must exist on each machine of the cluster"
    (note,) = train(**images).notes
    assert "METATRAIN_DATA" in note
    (folder / "data" / "omniglot").mkdir(parents=True)
    (folder / "data" / "omniglot" / "a.zip").write_text("")
    assert train(**images).notes == ()
