"""Test scores by ways and shots: asked for, refused, measured, shown."""

import json
from pathlib import Path

import pytest
from inline_command import metatrain
from small_configs import images, navigation, sinusoid
from small_runs import in_process

from orchestrator.config.schema import to_toml, validate
from orchestrator.evaluate import evaluate, recipe_at
from orchestrator.records.result import Result
from orchestrator.reporting.page import by_size
from orchestrator.reporting.size_table import table_of
from orchestrator.run.opening import open_family
from orchestrator.run.scores_by_size import Cell, cells, scores_by_size
from workers.tasks.registry import make_family

pytestmark = pytest.mark.usefixtures("shared_runners")
DENSE = ["model.kind=mlp", "model.hidden=[4]"]
PROTONET = [*DENSE, "algorithm.kind=protonet", "evaluation.inner_steps=[1]"]
TABLE = ["evaluation.ways=[2,4]", "evaluation.shots=[1,3]", "evaluation.table_tasks=3"]


def test_a_list_of_shots_is_a_table_and_two_numbers_alone_are_a_range():
    assert cells(sinusoid()) == cells(sinusoid("evaluation.shots=9")) == []
    range_of = sinusoid("evaluation.shots=[2,4]")
    assert cells(range_of) == []
    assert range_of.evaluation.size == (2, 4)
    listed = sinusoid("evaluation.shots=[2,4,8]", "evaluation.queries=[1,3]")
    assert cells(listed) == [Cell(None, shots, (1, 3)) for shots in (2, 4, 8)]
    assert listed.evaluation.size is None  # the main evaluation has task.shots
    assert recipe_at(listed, 0.1).padded
    assert cells(sinusoid("evaluation.shots=[6]")) == [Cell(None, 6, 5)]
    again = validate(listed.model_dump(mode="json", exclude_none=True))
    assert cells(again) == cells(listed)


def test_beside_ways_any_list_of_shots_is_a_table(image_zip, image_cache):
    config = images(image_zip, image_cache, *PROTONET, *TABLE)
    expected = [Cell(ways, shots, 1) for ways in (2, 4) for shots in (1, 3)]
    assert cells(config) == expected
    ways = images(image_zip, image_cache, *PROTONET, "evaluation.ways=[6]", "task.shots=[1,2]")
    assert cells(ways) == [Cell(6, (1, 2), 1)]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["algorithm.kind=maml"],
            r"^evaluation\.ways = \[2, 4\], but algorithm\.kind = 'maml' learns a head for a fixed "
            r"number of classes; use 'protonet', 'proto_maml' or 'ridge', or evaluation\.ways = "
            r"\[\]$",
        ),
        (
            ["algorithm.kind=proto_maml", "evaluation.inner_batch=1"],
            r"^evaluation\.ways = \[2, 4\] gives tasks another number of examples, which evaluat",
        ),
        (["evaluation.ways=[1]"], r"evaluation\.ways\[0\] must be at least 2, got 1"),
        (["evaluation.shots=[0,2,3]"], r"evaluation\.shots\[0\] must be at least 1, got 0"),
        (["evaluation.shots=[]"], r"evaluation\.shots must have at least 1 value"),
        (["evaluation.table_tasks=1"], r"evaluation\.table_tasks must be at least 2, got 1"),
    ],
)
def test_wrong_tables_are_refused(overrides, message, image_zip, image_cache):
    with pytest.raises(ValueError, match=message) as refused:
        images(image_zip, image_cache, *PROTONET, *TABLE, *overrides)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("make", "overrides", "message"),
    [
        (sinusoid, ["evaluation.shots=[3,1]"], r"evaluation\.shots = \[3, 1\] is a range: the lea"),
        (sinusoid, ["evaluation.ways=[2]"], r"task\.kind = 'sinusoid' has no task\.ways; unset it"),
        (
            navigation,
            ["evaluation.shots=[1,2,3]"],
            r"task\.kind = 'navigation' has episodes of a policy; give a number",
        ),
    ],
)
def test_tasks_without_such_sizes_are_refused(make, overrides, message):
    with pytest.raises(ValueError, match=message):
        make(*overrides)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("evaluation.ways=[99]", r"a task of 99 classes, but the test split has \d+ to choose"),
        ("evaluation.shots=[1,2,40]", r"shots = 40 and queries = 1 need 41 images of a class"),
    ],
)
def test_a_table_that_the_data_cannot_fill_is_refused_before_training(
    asked, message, image_zip, image_cache
):
    config = images(image_zip, image_cache, *PROTONET, asked)
    make_family(config.task)
    with pytest.raises(ValueError, match=message):
        open_family(config)


def test_a_cell_of_the_main_evaluations_size_has_its_scores(image_zip, image_cache):
    sizes = ["evaluation.ways=[3,4]", "evaluation.shots=[1,2]", "evaluation.table_tasks=6"]
    config = images(image_zip, image_cache, *PROTONET, *sizes)
    launched = in_process(config)
    weights, recipe = launched.initial_state().weights, recipe_at(config, 1.0)
    rows = scores_by_size(config, launched.family, launched.pool, weights, recipe)
    assert [(row["ways"], row["shots"], row["tasks"]) for row in rows] == [
        *((3, 1, 6), (3, 2, 6), (4, 1, 6), (4, 2, 6))
    ]
    main = evaluate(config, launched.family, launched.pool, weights, "test", recipe)[-1]
    assert {name: rows[0][name] for name in ("accuracy", "accuracy_ci95", "loss")} == {
        name: main[name] for name in ("accuracy", "accuracy_ci95", "loss")
    }
    assert len({row["loss"] for row in rows}) == 4


def test_a_run_writes_prints_and_draws_its_table(
    tmp_path, image_zip, image_cache, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    config = images(image_zip, image_cache, *PROTONET, *TABLE, "outer.steps=2")
    Path("run.toml").write_text(to_toml(config))
    code, out, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 0, err
    assert "Test accuracy in % by ways and shots (3 tasks each)" in out
    assert "shots 3" in out
    assert Path("run/by_size.png").stat().st_size > 1000
    page = Path("run/report.html").read_text()
    assert "By ways and shots" in page
    assert page.count("shots 3") == 1
    rows = json.loads(Path("run/evaluation.json").read_text())["by_size"]
    assert [(row["ways"], row["shots"]) for row in rows] == [(2, 1), (2, 3), (4, 1), (4, 3)]
    asked = ["--set", "evaluation.ways=[3]", "--set", "evaluation.shots=[2]", "--json"]
    code, out, err = metatrain(capsys, monkeypatch, "evaluate", "run", *asked, "--out", "s.json")
    assert code == 0, err
    (row,) = json.loads(out)["evaluation"]["by_size"]
    assert (row["ways"], row["shots"], row["tasks"]) == (3, 2, 3)
    picture = Path("s.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    code, _, err = metatrain(capsys, monkeypatch, "evaluate", "run", *asked, "--out", "t.json")
    assert "written: t.png" in err
    Path("t.json").unlink()
    code, _, err = metatrain(capsys, monkeypatch, "evaluate", "run", *asked, "--out", "t.json")
    assert code == 0
    assert "no picture of the scores by size: the picture t.png exists; give another file" in err


def test_any_method_has_a_table_by_shots(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = ["evaluation.shots=[1,5,20]", "evaluation.table_tasks=2", "outer.steps=1"]
    Path("run.toml").write_text(to_toml(sinusoid(*sizes)))
    code, out, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 0, err
    assert "Test mean squared error by shots (2 tasks each)" in out
    rows = json.loads(Path("run/evaluation.json").read_text())["by_size"]
    assert [row["shots"] for row in rows] == [1, 5, 20]
    assert all("ways" not in row for row in rows)


def made(sizes):
    """A result with these (ways, shots), whose accuracy is 1 / ways."""
    step = {"inner_step": 0, "accuracy": 0.2, "accuracy_ci95": 0.1}
    rows = [
        {"ways": ways, "shots": shots, "tasks": 9, "accuracy": 1 / ways, "accuracy_ci95": 0.01}
        for ways, shots in sizes
    ]
    return Result(
        protocol={"inner_steps": 0},
        per_step=[step],
        checkpoint="ckpt",
        theta_sha256="",
        metric="accuracy",
        sign=1,
        by_size=rows,
    )


@pytest.mark.parametrize(
    ("sizes", "along", "curves"),
    [
        ([(2, 1), (2, 5), (10, 1), (10, 5)], "shots", 2),
        ([(2, 1), (10, 1)], "ways", 1),
        ([(2, "1 to 5"), (10, "1 to 5")], "ways", 1),
        ([(2, 1)], "ways", 1),
    ],
)
def test_the_figure_has_a_curve_for_each_size(sizes, along, curves):
    figure = by_size.draw(made(sizes))
    (axes,) = figure.axes
    assert axes.get_xlabel() == along
    assert len(axes.containers) == curves
    heights = [list(each.lines[0].get_ydata()) for each in axes.containers]
    assert [number for each in heights for number in each] == [1 / ways for ways, _ in sizes]


def test_the_table_has_a_row_for_each_number_of_ways():
    table = table_of(made([(2, 1), (2, 5), (10, 1)]))
    assert (table.ways, table.shots) == (["2", "10"], ["1", "5"])
    assert table.cells == [["50.0 ± 1.0", "50.0 ± 1.0"], ["10.0 ± 1.0", ""]]
    assert table_of(made([])) is None
    assert by_size.rows(made([])) == []
