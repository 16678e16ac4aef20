import csv
import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from shown_protocol import odd_keys, protocol_in
from small_configs import ONE_BY_ONE, images, sinusoid
from small_images import members, write_folder
from small_learners import FIRST_ORDER, run_of

from orchestrator.adaptation.readers.reader import Columns
from orchestrator.cli.adapt import adapt_command
from orchestrator.cli.adapt.adapt_request import AdaptRequest
from orchestrator.learner import Learner
from orchestrator.text.json_text import loads
from workers.wire.errors import NonFiniteError

pytestmark = pytest.mark.usefixtures("shared_runners")


def csv_of(file, waves, num, targets=True):
    """Write `num` points of each wave (name -> phase)."""
    rng = np.random.default_rng(num)
    lines = ["wave,x,y" if targets else "wave,x"]
    for name, phase in waves.items():
        for x in rng.uniform(-5, 5, num):
            lines.append(f"{name},{x}" + (f",{np.sin(x - phase)}" if targets else ""))
    file.write_text("\n".join(lines) + "\n")
    return str(file)


@pytest.fixture
def pairs(tmp_path):
    """A request about one sinusoid."""
    return {
        "source": str(run_of(sinusoid(*ONE_BY_ONE, "evaluation.inner_steps=[3]"))),
        "support": csv_of(tmp_path / "support.csv", {"w": 0.5}, 5),
        "query": csv_of(tmp_path / "query.csv", {"w": 0.5}, 4),
        "columns": Columns(),
    }


def test_predictions_are_shown_scored_and_written(tmp_path, pairs, capsys):
    adapt_command.adapt_run(
        AdaptRequest(**pairs, out=tmp_path / "p.parquet", save_model=tmp_path / "m.keras")
    )
    shown = capsys.readouterr()
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert len(rows) == 4
    for row in rows:
        assert row["query"] in shown.out
        assert f"{row['prediction']:.4g}" in shown.out
        assert row["by_inner_step"][-1] == row["prediction"]
    error = np.mean([(row["target"] - row["prediction"]) ** 2 for row in rows])
    steps = len(rows[0]["by_inner_step"]) - 1
    assert f"{error:.4f} after {steps} inner steps" in shown.out
    protocol = protocol_in(shown.out)
    assert re.search(r", ckpt-\d{8}$", protocol["weights"])
    assert (protocol["inner lr"], protocol["support examples"]) == ("0.05", "5")
    assert protocol["trained method"].startswith("MAML")
    assert "predicted in" in shown.err
    assert (tmp_path / "m.keras").is_file()


def test_as_json_the_predictions_are_those_of_the_file(tmp_path, pairs, capsys):
    adapt_command.adapt_run(AdaptRequest(**pairs, out=tmp_path / "p.parquet", as_json=True))
    shown = capsys.readouterr()
    document = loads(shown.out)  # five validation tasks are too few: intervals are infinite
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert document["predictions"] == rows
    error = np.mean([(row["target"] - row["prediction"]) ** 2 for row in rows])
    assert document["scores"]["mse"][-1] == {"mean": pytest.approx(error), "ci95": None}
    protocol = document["protocol"]
    numbers = {name: protocol[name] for name in ("tasks", "support_examples", "queries")}
    assert numbers == {"tasks": 1, "support_examples": 5, "queries": 4}
    assert (protocol["inner_steps"], protocol["inner_lr"]) == (3, 0.05)
    assert (protocol["trained_shots"], protocol["trained_transductive"]) == (5, False)
    assert odd_keys(document) == []
    assert "Predictions after inner steps" in shown.err


def test_predictions_are_written_as_csv_too_with_lists_as_json(tmp_path, pairs):
    for name in ("p.parquet", "p.csv"):
        adapt_command.adapt_run(AdaptRequest(**pairs, out=tmp_path / name))
    expected = pq.read_table(tmp_path / "p.parquet").to_pylist()
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        result = list(csv.DictReader(file))
    assert [list(row) for row in result] == [list(row) for row in expected]
    for row, wanted in zip(result, expected, strict=True):
        assert float(row["prediction"]) == wanted["prediction"]
        assert json.loads(row["by_inner_step"]) == wanted["by_inner_step"]


def test_the_command_predicts_what_python_does(tmp_path, pairs):
    adapt_command.adapt_run(AdaptRequest(**pairs, out=tmp_path / "p.parquet"))
    learner = Learner.load(pairs["source"])
    support, query = (
        np.genfromtxt(pairs[name], delimiter=",", skip_header=1)[:, 1:]
        for name in ("support", "query")
    )
    expected = learner.adapt(support[:, 0], support[:, 1]).predict(query[:, 0])
    result = pq.read_table(tmp_path / "p.parquet").column("prediction").to_numpy()
    np.testing.assert_allclose(result, expected[:, 0], rtol=1e-4, atol=1e-5)


def test_each_task_is_adapted_to_alone(tmp_path, capsys):
    waves = {f"w{i}": i / 5 for i in range(4)}
    request = AdaptRequest(
        source=str(run_of(sinusoid(*ONE_BY_ONE, "evaluation.inner_steps=[3]"))),
        support=csv_of(tmp_path / "support.csv", waves, 5),
        query=csv_of(tmp_path / "query.csv", waves, 3),
        columns=Columns(task="wave"),
        out=tmp_path / "p.parquet",
        save_model=tmp_path / "models",
    )
    adapt_command.adapt_run(request)
    assert protocol_in(capsys.readouterr().out)["tasks"] == "4"
    rows = pq.read_table(request.out).to_pylist()
    assert [row["task"] for row in rows] == [name for name in waves for _ in range(3)]
    assert sorted(file.stem for file in (tmp_path / "models").iterdir()) == sorted(waves)
    learner = Learner.load(request.source)
    support = np.genfromtxt(request.support, delimiter=",", skip_header=1)[:, 1:]
    own = learner.adapt(support[15:20, 0], support[15:20, 1])  # of w3
    expected = own.predict([float(row["query"].rpartition("= ")[2]) for row in rows[9:12]])
    np.testing.assert_allclose([row["prediction"] for row in rows[9:12]], expected[:, 0], atol=0.01)


def test_tasks_of_several_sizes_are_said_as_two_numbers(tmp_path, pairs, capsys):
    support = (tmp_path / "support.csv").read_text().splitlines()
    more = [*support, *(f"v{line[1:]}" for line in support[1:4])]
    (tmp_path / "support.csv").write_text("\n".join(more) + "\n")
    csv_of(tmp_path / "query.csv", {"w": 0.5, "v": 0.5}, 2)
    request = AdaptRequest(**{**pairs, "columns": Columns(task="wave")}, as_json=True)
    adapt_command.adapt_run(request)
    shown = capsys.readouterr()
    assert json.loads(shown.out)["protocol"]["support_examples"] == [3, 5]
    assert protocol_in(shown.err)["support examples"] == "3 to 5"


def test_images_in_folders_with_a_note_for_few_queries(tmp_path, image_zip, image_cache, capsys):
    pictures = members(num_classes=3, examples=2)
    support = {name: content for name, content in pictures.items() if name.endswith("00.png")}
    query = {"one.png": pictures["c01/01.png"]}
    request = AdaptRequest(
        source=str(run_of(images(image_zip, image_cache, *ONE_BY_ONE, FIRST_ORDER))),
        support=str(write_folder(tmp_path / "support", support)),
        query=str(write_folder(tmp_path / "query", query)),
        columns=Columns(),
    )
    adapt_command.adapt_run(request)
    shown = capsys.readouterr()
    assert "one.png" in shown.out
    assert "accuracy" not in shown.out
    assert "3 of 3 images were resized to 16 x 16 (the first was 8 x 8)" in shown.err
    assert "normalizes all queries together" not in shown.err
    assert "one query (inductive)" in shown.out
    adapt_command.adapt_run(AdaptRequest(**{**vars_of(request), "statistics": "batch"}))
    shown = capsys.readouterr()
    assert "normalizes all queries together, as in training" in shown.err
    assert "1 of 3 classes are too few" in shown.err
    assert "of each set (transductive)" in shown.out


def vars_of(request):
    return {name: getattr(request, name) for name in request.__slots__}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out": "p.txt"}, r"predictions are written as \.parquet"),
        ({"out": "there.parquet"}, "exists; give another file"),
        ({"out": "nowhere/p.parquet"}, "is not a folder; create it first"),
        ({"save_model": "there.parquet"}, "exists; give another name"),
        ({"save_model": "m.h5"}, r"end in \.keras"),
        ({"save_model": "nowhere/m.keras"}, "is not a folder"),
        ({"workers": "many"}, "workers.count must be 0 to 4096"),
        ({"workers": "4000"}, "workers.count = 4000, but this machine has room"),
        ({"inner_steps": -1}, "inner_steps = -1"),
        ({"inner_lr": 0.0}, "inner_lr = 0"),
        ({"statistics": "support"}, "statistics = 'support'"),
        ({"source": "nowhere"}, "holds no run"),
        ({"support": None}, "there is nothing to adapt to; give --support FILE"),
        ({"query": None}, "there is nothing to predict; give --query FILE"),
        ({"support": "nowhere.csv"}, "--support .*nowhere.csv is not a file"),
        ({"query": "there.parquet"}, "not a table that can be read"),
        ({"columns": Columns(task="zone")}, r"no column 'zone' \(--task-column\)"),
    ],
)
def test_wrong_input_is_refused_and_nothing_written(tmp_path, pairs, change, message):
    (tmp_path / "there.parquet").write_bytes(b"mine")
    before = sorted(tmp_path.iterdir())
    for name in ("out", "save_model", "support", "query"):
        if change.get(name):
            path = tmp_path / change[name]
            change = {**change, name: path if name in ("out", "save_model") else str(path)}
    with pytest.raises(ValueError, match=message):
        adapt_command.adapt_run(AdaptRequest(**{**pairs, **change}))
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.parquet").read_bytes() == b"mine"


def test_an_inner_loop_that_diverges_writes_nothing(tmp_path, pairs):
    out = tmp_path / "p.parquet"
    with pytest.raises(NonFiniteError, match="not finite after 60 inner steps, learning rate 1e"):
        adapt_command.adapt_run(AdaptRequest(**pairs, inner_steps=60, inner_lr=1e9, out=out))
    assert not out.exists()
