"""A new algorithm, model, family, picture, reader or command: one file and one row of a registry.

Made-up ones are added to a copy of the packages, which then trains, evaluates, draws, adapts and
checks what a job would need.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from additions import ADDITIONS, Addition

ROOT = Path(__file__).parents[1]
# One process for all commands: TensorFlow takes seconds to start.
SCRIPT = """
import json, sys
from orchestrator.cli.app import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["metatrain", *words]
    print("$", *words, flush=True)
    try:
        main()
    except SystemExit as end:
        print("exit code", end.code, flush=True)
"""
LOSS = """
[task]
kind = "python"
source = "small_python:sines"
loss = "logcosh"
[outer]
steps = 2
[evaluation]
tasks = 4
validation_tasks = 4
"""
RUN = '[task]\nkind = "stairs"\npath = "height.txt"\n'


def add(addition: Addition, copy: Path) -> None:
    """Write the file, and the row at the end of the registry's first table of text."""
    shutil.copy(addition.source, copy / addition.file)
    registry = copy / addition.registry
    lines = registry.read_text().splitlines(keepends=True)
    table = next(
        node
        for node in ast.walk(ast.parse("".join(lines)))
        if isinstance(node, ast.Dict) and len(node.keys) > 2
    )
    assert table.end_lineno is not None
    lines.insert(table.end_lineno - 1, f"    {addition.row}\n")
    registry.write_text("".join(lines))


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the packages with all additions."""
    folder = tmp_path_factory.mktemp("copy")
    for package in ("orchestrator", "workers"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    shutil.copy(ROOT / "metatrain.py", folder)
    for addition in ADDITIONS.values():
        add(addition, folder)
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The working directory of commands, with their files."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "run.toml").write_text(RUN)
    (folder / "loss.toml").write_text(LOSS)
    shutil.copy(ROOT / "tests" / "fakes" / "tasks" / "small_python.py", folder)
    (folder / "lost.toml").write_text(RUN.replace("height.txt", "gone.txt"))
    (folder / "ignored.toml").write_text(RUN.replace("height.txt", "ignored.txt"))
    for name in ("height.txt", "ignored.txt"):
        (folder / name).write_text("0.5")
    (folder / ".gitignore").write_text("ignored.txt\n")
    (folder / "support.pairs").write_text("-1 -0.5\n0.5 0\n1.5 0.5\n")
    (folder / "query.pairs").write_text("-2\n2\n")
    return folder


@pytest.fixture(scope="module")
def told(copy, work):
    """The outputs of all commands, by command."""
    commands = [
        ["greet", "stairs"],
        ["--help"],
        ["train", "run.toml", "--out", "run", "--workers", "0"],
        ["evaluate", "run", "--out", "scores.json"],
        ["adapt", "run", "--support", "support.pairs", "--query", "query.pairs"],
        ["data", "run.toml"],
        ["report", "run"],
        ["submit", "--dry-run", "--", "train", "run.toml"],
        ["submit", "--dry-run", "--", "train", "lost.toml"],
        ["submit", "--dry-run", "--", "train", "ignored.toml"],
        ["train", "run.toml", "--set", "model.kind=conv4"],
        ["train", "loss.toml", "--out", "loss", "--workers", "0"],
        ["train", "loss.toml", "--set", "task.loss=log"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(commands)],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(copy)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    parts = done.stdout.split("$ ")[1:]
    assert len(parts) == len(commands), done.stdout
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


@pytest.mark.parametrize("sort", ADDITIONS)
def test_an_addition_is_one_file_and_one_row(sort):
    addition = ADDITIONS[sort]
    assert not (ROOT / addition.file).exists()
    assert (ROOT / addition.registry).is_file()
    assert len(addition.touched) == 2


@pytest.mark.slow
def test_a_command_is_listed_and_runs(told):
    assert told["greet stairs"] == "hello stairs\n"
    assert "Say hello to somebody." in told["--help"]


@pytest.mark.slow
def test_a_run_that_names_its_tasks_alone_trains_is_evaluated_and_drawn(told, work):
    message = told["train run.toml --out run --workers 0"]
    assert "exit code" not in message
    assert "model.kind = 'waves', algorithm.kind = 'halfway'" in message
    protocol = json.loads((work / "run" / "evaluation.json").read_text())["protocol"]
    assert (protocol["method"], protocol["model"]) == ("Halfway", "waves")
    assert (work / "run" / "picture.png").stat().st_size > 1000
    assert sorted(path.name for path in (work / "run" / "pictures").iterdir())[0] == "task-1.svg"
    assert "page:" in told["report run"]


@pytest.mark.slow
def test_it_is_evaluated_again_and_described(told, work):
    assert "exit code" not in told["evaluate run --out scores.json"]
    assert (work / "scores.json").is_file()
    assert "StairsFamily" in told["data run.toml"]


@pytest.mark.slow
def test_it_adapts_to_a_users_own_examples(told):
    message = told["adapt run --support support.pairs --query query.pairs"]
    assert "exit code" not in message
    assert "x = -2" in message


@pytest.mark.slow
def test_a_loss_is_chosen_by_its_name_and_measured(told, work):
    message = told["train loss.toml --out loss --workers 0"]
    assert "exit code" not in message
    tested = json.loads((work / "loss" / "evaluation.json").read_text())
    assert tested["protocol"]["loss"] == "mean log-cosh error"
    assert {"loss", "mse"} <= tested["after"].keys()
    wrong = told["train loss.toml --set task.loss=log"]
    assert "'binary_cross_entropy', 'logcosh', or 'module:function'" in wrong
    assert "exit code 2" in wrong


@pytest.mark.slow
def test_what_a_job_of_it_needs_is_checked_before_anything_is_sent(told):
    assert "nothing was sent" in told["submit --dry-run -- train run.toml"]
    assert "METATRAIN_DATA" not in told["submit --dry-run -- train run.toml"]
    lost = told["submit --dry-run -- train lost.toml"]
    assert "task.path = gone.txt is not shipped: each machine of the cluster needs" in lost
    ignored = told["submit --dry-run -- train ignored.toml"]
    assert "task.path = ignored.txt is not shipped: an ignore file names it" in ignored


@pytest.mark.slow
def test_models_that_do_not_take_what_it_gives_are_refused(told):
    message = told["train run.toml --set model.kind=conv4"]
    assert "model.kind = 'conv4' takes images, but task.kind = 'stairs' has numbers" in message
    assert "exit code 2" in message
