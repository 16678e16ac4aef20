"""A run on one's own table, from the file to predictions for a new group of rows."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tables
import warm_commands
from shell_commands import environment, theta_sha256
from shown_protocol import protocol_in
from small_configs import MACHINES, table
from small_learners import episode_of, run_of
from small_runs import ShuffledPool, in_process, sha256_after
from small_tables import write_table

from orchestrator.adaptation import artefact
from orchestrator.adaptation.answers import probabilities
from orchestrator.adaptation.readers.reader import Columns
from orchestrator.cli import data_command, export_command, report_command
from orchestrator.cli.adapt import adapt_command
from orchestrator.cli.adapt.adapt_request import AdaptRequest
from orchestrator.config.schema import to_toml
from orchestrator.learner import Learner
from orchestrator.reporting.page.run_folder import read_run
from orchestrator.storage.storage import Storage

pytestmark = pytest.mark.usefixtures("shared_runners")

#: The columns of a made-up table in the order in which the model takes them.
FEATURES = {
    "sensors": ["reading", "temperature", "humidity", "battery"],
    "machines": ["x", "y", "z", "current", "temperature"],
}
TARGETS = {"sensors": "concentration", "machines": "state"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """kind -> a table to train on; it is deleted where a run must do without."""
    folder = tmp_path_factory.mktemp("tables")
    return {
        "sensors": write_table(folder / "sensors.csv", tables.sensors(20, 20)),
        "machines": write_table(folder / "machines.parquet", tables.machines(20, 45)),
    }


@pytest.fixture(params=["sensors", "machines"])
def kind(request):
    return request.param


def config_of(files, kind, *overrides):
    return table(files[kind], *(MACHINES if kind == "machines" else []), *overrides)


def new_group(kind, number=1):
    """Tasks that no run has seen."""
    made = getattr(tables, kind)(20 + number, 45, seed=1)
    return made.slice(20 * 45)


def first_rows(group, num, name):
    """Return the first `num` rows of each task, and the rest."""
    place = np.arange(len(group)) % 45
    return group.filter(pa.array(place < num)), group.filter(pa.array(place >= num))


def features_of(group, kind):
    return np.stack([group.column(name).to_numpy() for name in FEATURES[kind]], axis=1)


def request_of(files, kind, folder, group, **options):
    support, query = first_rows(group, 12, kind)
    return AdaptRequest(
        source=str(run_of(config_of(files, kind))),
        support=str(write_table(folder / "support.csv", support)),
        query=str(write_table(folder / "query.csv", query)),
        columns=Columns(),
        out=folder / "p.parquet",
        **options,
    )


@pytest.mark.quick("sensors")
def test_a_new_group_is_predicted_in_the_tables_own_units(files, kind, tmp_path, capsys):
    group = new_group(kind)
    adapt_command.adapt_run(request_of(files, kind, tmp_path, group))
    shown = capsys.readouterr()
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    _, query = first_rows(group, 12, kind)
    truth = query.column(TARGETS[kind]).to_pylist()
    predicted = [row["prediction"] for row in rows]
    if kind == "sensors":
        np.testing.assert_allclose([row["target"] for row in rows], truth, rtol=1e-5)
        assert 20 < np.mean(predicted) < 80  # concentrations run from 0 to 100
        error = np.mean(np.square(np.subtract(predicted, truth)))
        assert "mse: " in shown.out
        assert f"{error:.4f} after {len(rows[0]['by_inner_step']) - 1} inner steps" in shown.out
    else:
        assert [row["target"] for row in rows] == truth
        assert set(predicted) <= set(tables.STATES)
        assert rows[0]["classes"] == sorted(tables.STATES)
        assert "accuracy: " in shown.out
    protocol = protocol_in(shown.out)
    assert (protocol["tasks"], protocol["support examples"]) == ("1", "12")


@pytest.mark.quick("machines")
def test_many_groups_are_each_adapted_to_alone(files, kind, tmp_path, capsys):
    group = new_group(kind, number=3)
    adapt_command.adapt_run(
        request_of(files, kind, tmp_path, group, save_model=tmp_path / "models")
    )
    shown = capsys.readouterr()
    assert f"3 tasks, told apart by '{kind[:-1]}'; the model adapts to each" in shown.err
    together = pq.read_table(tmp_path / "p.parquet")
    names = group.column(0).unique().to_pylist()
    assert together.column("task").unique().to_pylist() == names
    assert sorted(file.stem for file in (tmp_path / "models").iterdir()) == sorted(names)
    alone = tmp_path / "alone"
    alone.mkdir()
    only = group.filter(pc.equal(group.column(0), names[1]))
    adapt_command.adapt_run(request_of(files, kind, alone, only.drop_columns([kind[:-1]])))
    expected = pq.read_table(alone / "p.parquet").column("by_inner_step").to_pylist()
    rows_of_task = together.filter(pc.equal(together.column("task"), names[1]))
    np.testing.assert_allclose(
        rows_of_task.column("by_inner_step").to_pylist(), expected, rtol=1e-4
    )


def test_an_exported_run_adapts_alike_without_the_table(files, kind, tmp_path):
    config = config_of(files, kind)
    export_command.export_run(str(run_of(config)), tmp_path / "a.metatrain")
    moved = artefact.load(str(tmp_path / "a.metatrain"))
    gone = moved.config.task.model_copy(update={"path": str(tmp_path / "gone.csv")})
    assert not Path(gone.path).exists()
    support, query = first_rows(new_group(kind), 12, kind)

    def predicted(source):
        learner = Learner.load(source)
        classes = support.column(TARGETS[kind]).to_pylist()
        predictor = learner.adapt(features_of(support, kind), classes)
        return predictor.by_inner_step(features_of(query, kind))

    from_run, from_file = predicted(run_of(config)), predicted(tmp_path / "a.metatrain")
    np.testing.assert_array_equal(from_run, from_file)
    assert from_run.shape[1:] == (33, 3 if kind == "machines" else 1)


@pytest.mark.quick("sensors")
def test_a_saved_model_takes_and_answers_in_the_tables_own_units(files, kind, tmp_path, capsys):
    group = new_group(kind)
    saved = tmp_path / "adapted.keras"
    adapt_command.adapt_run(request_of(files, kind, tmp_path, group, save_model=saved))
    assert "answers differ" not in capsys.readouterr().err
    _, query = first_rows(group, 12, kind)
    model = keras.saving.load_model(saved, compile=False)
    answers = model.predict(features_of(query, kind), verbose=0)
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    shown = [row["by_inner_step"][-1] for row in rows]
    if kind == "machines":
        answers = probabilities(answers, len(tables.STATES))
    np.testing.assert_allclose(
        answers.reshape(len(rows), -1).squeeze(), shown, rtol=1e-4, atol=1e-5
    )


def test_a_saved_model_fills_what_is_missing_as_the_run_does(files, tmp_path):
    learner = Learner.load(run_of(config_of(files, "sensors", "task.nulls=mean")))
    support, query = first_rows(new_group("sensors"), 12, "sensors")
    query_features = features_of(query, "sensors")
    query_features[::3, 1] = np.nan
    predictor = learner.adapt(
        features_of(support, "sensors"), support.column("concentration").to_pylist()
    )
    predictor.save(tmp_path / "filled.keras")
    model = keras.saving.load_model(tmp_path / "filled.keras", compile=False)
    answers = model.predict(query_features, verbose=0)
    assert np.isfinite(answers).all()
    np.testing.assert_allclose(answers, predictor.predict(query_features), rtol=1e-5)


def test_python_predicts_what_the_run_was_tested_with(files):
    config = config_of(files, "sensors")
    source = artefact.load(str(run_of(config)))
    learner = Learner.load(run_of(config))
    prepared = source.examples.preparation
    support_x, support_y, query_x, query_y = episode_of(config)

    def unscaled(values, columns):
        return values * np.array(prepared[columns]["sd"]) + np.array(prepared[columns]["mean"])

    predictor = learner.adapt(unscaled(support_x, "features"), unscaled(support_y, "target")[:, 0])
    answers = predictor.predict(unscaled(query_x, "features"))
    before = predictor.by_inner_step(unscaled(query_x, "features"))[0]
    truth = unscaled(query_y, "target")
    assert answers.shape == truth.shape == before.shape
    assert abs(before.mean() - 50) < 50  # in ppm, of 0 to 100


@pytest.mark.quick("sensors-overrides0", "machines-overrides1")
@pytest.mark.parametrize("overrides", [[], ["algorithm.kind=joint"], ["algorithm.kind=anil"]])
def test_theta_does_not_depend_on_the_order_in_which_blocks_run(files, kind, overrides):
    config = config_of(files, kind, *overrides)
    launch = in_process(config)
    assert sha256_after(launch, ShuffledPool(launch.pool)) == sha256_after(launch)


@pytest.mark.ray
@pytest.mark.slow
def test_theta_is_the_same_on_actors_and_in_this_process(files, tmp_path, shared_ray):
    """On one actor, which reads the table by itself; of several, test_ray_pool.py."""
    few = ("outer.steps=3", "outer.meta_batch_size=4", "evaluation.inner_steps=[1]")
    config = config_of(files, "sensors", *few)
    (tmp_path / "t.toml").write_text(to_toml(config))
    done = warm_commands.run(
        tmp_path,
        *("train", "t.toml", "--workers", "1", "--out", "run"),
        environment=environment() | {"RAY_ADDRESS": shared_ray},
        draws=False,
    )
    assert done.returncode == 0, done.stderr
    assert theta_sha256(done.stdout) == sha256_after(in_process(config))


def test_data_tells_what_the_table_holds(files, kind, tmp_path, capsys):
    (tmp_path / "t.toml").write_text(to_toml(config_of(files, kind)))
    data_command.show_source(str(tmp_path / "t.toml"), [])
    shown = capsys.readouterr().out
    assert "task.kind = table" in shown
    assert re.search(r"tasks\s.*20", shown)
    assert ", ".join(FEATURES[kind]) in shown
    assert re.search(r"train tasks\s.*13", shown)
    if kind == "machines":
        assert ", ".join(sorted(tables.STATES)) in shown


@pytest.fixture(scope="module")
def tested(files, tmp_path_factory):
    """Runs with all that `metatrain train` writes."""
    folder = tmp_path_factory.mktemp("tested")
    for name in files:
        from orchestrator.run.training_run import TrainingRun

        config = config_of(files, name)
        run = TrainingRun(config, Storage(str(folder / name)), in_process(config), None)
        for _ in run.steps():
            pass
        run.draw(run.test())
        run.report()
        run.close()
    return folder


def test_the_page_is_made_anew_without_the_table(tested, kind):
    report_command.write_report([str(tested / kind)], None)
    page = (tested / kind / "report.html").read_text()
    run_result = read_run(Storage(str(tested / kind))).result
    assert run_result.protocol["features"] == ", ".join(FEATURES[kind])
    for words in (", ".join(FEATURES[kind]), TARGETS[kind], "different tasks"):
        assert words in page
    assert page.count("<svg") >= 5


def test_the_pictures_are_in_the_tables_own_units(tested):
    svg = (tested / "sensors" / "pictures" / "task-1.svg").read_text()
    assert {"target", "prediction", "truth", "before"} <= set(re.findall(r">([a-z]+)<", svg))
    ticks = [float(t.replace("−", "-")) for t in re.findall(r">(−?\d+)<", svg)]
    assert max(ticks) > 20  # ppm, not standard deviations


def test_the_scores_are_of_the_tables_test_tasks(tested, files):
    scores = json.loads((tested / "machines" / "evaluation.json").read_text())
    assert scores["protocol"]["classes"] == ", ".join(sorted(tables.STATES))
    assert scores["protocol"]["different_tasks"] == 4
    assert 0 <= scores["after"]["accuracy"] <= 1
