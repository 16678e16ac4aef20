"""MetaTrainer(tasks=...): a function that can be imported, or a list of tasks."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_python
from ray.train import RunConfig
from shell_commands import environment
from small_configs import SINUSOID
from small_npz import lines

from orchestrator.learner import Learner
from orchestrator.run import train as train_module
from orchestrator.run.own_tasks import as_arrays
from orchestrator.trainer import MetaTrainer

pytestmark = pytest.mark.usefixtures("shared_runners")
SMALL = {key: value for key, value in SINUSOID.items() if key != "task"}
OVERRIDES = {"task.shots": 2, "task.queries": 2, "outer.steps": 1}
LINES = [(each["x"], each["y"]) for each in lines().values()]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_module, "_draw", lambda *given: None)


def trainer(tasks, folder, **options):
    place = RunConfig(storage_path=str(folder), name="run")
    options = {"overrides": OVERRIDES, **options}
    return MetaTrainer(SMALL, tasks=tasks, run_config=place, **options)


def test_a_function_is_named_by_its_module():
    task = MetaTrainer(tasks=small_python.sines).config.task
    assert task.kind == "python"
    assert task.source == "small_python:sines"
    assert task.folder == str(Path(small_python.__file__).parent)
    config = MetaTrainer("sinusoid", tasks=small_python.Blobs, overrides=OVERRIDES).config
    assert (config.task.source, config.task.shots) == ("small_python:Blobs", 2)
    assert config.outer.steps == 1


def test_a_function_trains_and_its_run_is_learned_from(tmp_path):
    result = trainer(small_python.sines, tmp_path).fit()
    assert result.metrics["test_protocol"]["tasks_from"] == "small_python:sines"
    predictor = Learner.load(result.path).adapt([[0.0], [1.0]], [0.5, 0.7])
    assert predictor.predict([[0.5]]).shape == (1, 1)


def test_a_list_is_written_into_the_runs_folder(tmp_path):
    made = trainer(LINES, tmp_path)
    assert not (tmp_path / "run").exists()  # nothing starts yet
    result = made.fit()
    files = sorted(path.name for path in Path(result.path, "tasks").iterdir())
    assert files == [f"task-{number}.npz" for number in range(9)]
    assert result.metrics["test_protocol"]["tasks_from"] == "the files of tasks"
    tested = json.loads(Path(result.path, "evaluation.json").read_text())
    again = trainer(LINES, tmp_path, resume=True).fit()
    assert again.metrics["tested_theta_sha256"] == tested["theta_sha256"]
    with pytest.raises(ValueError, match=r"task-3\.npz is another task than that of `tasks`"):
        trainer([*LINES[:3], *LINES[:6]], tmp_path, resume=True).fit()
    with pytest.raises(ValueError, match=r"has tasks that `tasks` has not, such as task-8\.npz"):
        trainer(LINES[:8], tmp_path, resume=True).fit()
    Learner.load(result.path).adapt(LINES[0][0], LINES[0][1])


def spoiled(number, change):
    """The list of lines, one of which has other arrays."""
    return [change(*each) if i == number else each for i, each in enumerate(LINES)]


REFUSED = {
    "NaN": (spoiled(3, lambda x, y: (x * np.nan, y)), r"^tasks\[3\]: x\[0, 0\] is nan"),
    "another shape": (
        spoiled(2, lambda x, y: (x[:, :1], y)),
        r"^tasks\[2\]: x has examples of shape \[1\], x of the first task \[2\]",
    ),
    "two types": (
        spoiled(1, lambda x, y: (x, y.astype(int))),
        r"^tasks\[1\]: y is of whole numbers, that of tasks\[0\] is not",
    ),
    "too few examples": (
        spoiled(4, lambda x, y: (x[:3], y[:3])),
        r"^tasks\[4\] has 3 examples, shots and queries need 4",
    ),
    "too few tasks": (LINES[:2], "^the source has only 2 tasks to split"),
    "by name": (
        {"oak": LINES[0], "elm": LINES[1], "ash": (LINES[2][0] * np.nan, LINES[2][1])},
        r"^tasks\['ash'\]: x\[0, 0\] is nan",
    ),
}


@pytest.mark.parametrize(("tasks", "said"), REFUSED.values(), ids=REFUSED)
def test_a_refused_list_leaves_nothing_and_its_task_is_named(tmp_path, tasks, said):
    with pytest.raises(ValueError, match=said) as raised:
        trainer(tasks, tmp_path / "runs" / "inner").fit()
    message = str(raised.value)
    assert ".npz" not in message
    assert str(tmp_path) not in message
    assert "file" not in message.replace("split_file", "")
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_is_refused_for_other_reasons_leaves_nothing_either(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        trainer(LINES, tmp_path).fit()
    wrong = {**OVERRIDES, "task.loss": "cross_entropy"}
    with pytest.raises(ValueError, match="classes are whole numbers"):
        trainer(LINES, tmp_path / "new", overrides=wrong).fit()
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "mine.txt"]


def test_a_refused_resume_keeps_the_tasks_of_its_run(tmp_path):
    trainer(LINES, tmp_path).fit()
    other = {**OVERRIDES, "algorithm.inner_lr": 0.5}
    with pytest.raises(ValueError, match="algorithm"):
        trainer(LINES, tmp_path, resume=True, overrides=other).fit()
    assert len(list((tmp_path / "run" / "tasks").iterdir())) == 9


def test_a_run_of_a_function_has_its_name():
    trained = MetaTrainer(tasks=small_python.sines)
    assert (trained.config.name, trained.location) == ("sines", "runs/sines")
    assert MetaTrainer({"seed": 1}, tasks=small_python.Blobs).location == "runs/Blobs"
    for named in (
        MetaTrainer({"name": "own"}, tasks=small_python.sines),
        MetaTrainer(tasks=small_python.sines, overrides={"name": "own"}),
    ):
        assert named.config.name == "own"
    assert MetaTrainer("sinusoid", tasks=small_python.sines).config.name == "sinusoid"
    assert MetaTrainer(tasks=LINES).config.name == "run"


def test_tasks_may_have_names_and_queries_of_their_own():
    x, y = LINES[0]
    found = as_arrays({"station A": ((x[:5], y[:5]), (x[5:], y[5:])), "B": (x, y)})
    assert list(found["station A"]) == ["x", "y", "query_x", "query_y"]
    assert list(found["B"]) == ["x", "y"]
    assert as_arrays([(x, y)] * 11)["task-03"]["x"] is x


def test_images_get_a_network_for_images(tmp_path):
    x = np.zeros((4, 16, 16, 1))
    tasks = [(x, np.array([0, 1, 0, 1]))] * 3
    small = {"task.shots": 1, "task.queries": 1}
    assert MetaTrainer(tasks=tasks, overrides=small).config.model.kind == "conv4"
    assert trainer(tasks, tmp_path).config.model.kind == "mlp"  # as SMALL says
    assert MetaTrainer(tasks=LINES).config.model.kind == "mlp"


def outer():
    def inner(rng, split, shots, queries):
        pass

    return inner


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        (lambda rng, split, shots, queries: None, "is a lambda, and actors could not import it"),
        (outer(), "is defined inside of a function, and actors could not import it"),
        (functools.partial(small_python.sines, height=2), "is a functools.partial"),
        (small_python.Blobs(), "is an object of Blobs; give a function, a class, or a list"),
        (small_python.Blobs().task, "is a method; give a function"),
        ([], "tasks is empty"),
        ([(1, 2, 3)], r"tasks\[0\] is neither \(x, y\) nor"),
        ([LINES[0], ((1, 2), (1, 2, 3))], r"tasks\[1\] is neither"),
        ([([1.0], ["a"])], r"tasks\[0\]: y is no array of numbers"),
        ([([[1.0], [1.0, 2.0]], [1.0])], r"tasks\[0\]: x has rows of different lengths"),
        ({"../a": LINES[0]}, r"tasks\['../a'\]: the name of a task becomes that of a file"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_one_line(tasks, said):
    with pytest.raises(ValueError, match=said) as raised:
        MetaTrainer(tasks=tasks)
    assert "\n" not in str(raised.value)


def test_a_list_needs_a_local_folder():
    place = RunConfig(storage_path="s3://bucket/runs", name="run")
    with pytest.raises(ValueError, match="has to be a local one, not s3://bucket/runs/run"):
        MetaTrainer(tasks=LINES, run_config=place)


def test_something_must_be_given():
    with pytest.raises(ValueError, match="give a configuration, such as the name of"):
        MetaTrainer()


SCRIPT = """
import numpy as np
from metatrain import MetaTrainer

def line(rng, split, shots, queries):
    x = rng.normal(size=(shots + queries, 1))
    y = rng.normal() * x
    return (x[:shots], y[:shots]), (x[shots:], y[shots:])

"""
BELOW = "task = MetaTrainer(tasks=line).config.task\nprint(task.source, task.folder)\n"


def run(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    words = [sys.executable, name]
    return subprocess.run(
        words, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=200
    )


@pytest.mark.slow
def test_a_scripts_own_function_is_imported_from_its_file(tmp_path):
    guarded = f'{SCRIPT}if __name__ == "__main__":\n    {BELOW}'.replace("\nprint", "\n    print")
    done = run(tmp_path, "own_script.py", guarded)
    assert done.stdout.split() == ["own_script:line", str(tmp_path)], done.stderr
    done = run(tmp_path, "own_script.py", SCRIPT + BELOW)
    assert "is defined in own_script.py, which actors would import, and so run" in done.stderr
    done = run(tmp_path, "own-script.py", guarded)
    assert "is defined in own-script.py, which is no name that can be imported" in done.stderr
    words = [sys.executable, "-c", f"exec({SCRIPT + BELOW!r})"]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=200)
    assert "is defined in a notebook or at a prompt" in done.stderr
