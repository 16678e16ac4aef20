"""Heads that are computed from rows of a table: numbers in its own units, and fixed classes."""

import keras
import numpy as np
import pytest
import tables
from small_configs import MACHINES, table
from small_learners import run_of
from small_tables import write_table

from orchestrator.learner import Learner
from orchestrator.run.launch import launch
from workers.tasks.registry import make_family

pytestmark = pytest.mark.usefixtures("shared_runners")
RIDGE = ["algorithm.kind=ridge", "evaluation.inner_steps=[1]", "outer.steps=4"]
FEATURES = ["reading", "temperature", "humidity", "battery"]


@pytest.fixture(scope="module")
def sensors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    return write_table(folder / "sensors.csv", tables.sensors(20, 20))


@pytest.mark.quick("per_task")
@pytest.mark.parametrize("scaling", ["training", "per_task"])
def test_ridge_predicts_numbers_in_the_tables_own_units(sensors, scaling, tmp_path):
    config = table(sensors, *RIDGE, f"task.target_scaling={scaling}")
    learner = Learner.load(run_of(config))
    group = tables.sensors(21, 45, seed=1).slice(20 * 45)
    x = np.stack([group.column(name).to_numpy() for name in FEATURES], axis=1)
    y = 1000 + group.column("concentration").to_numpy()
    predictor = learner.adapt(x[:12], y[:12])
    predicted = predictor.predict(x[12:])[:, 0]
    assert 900 < predicted.mean() < 1200
    # Better than the mean of the support set, and at the support set itself far better.
    assert np.mean((predicted - y[12:]) ** 2) < np.mean((y[:12].mean() - y[12:]) ** 2)
    before, after = predictor.by_inner_step(x[:12])
    assert np.mean((after[:, 0] - y[:12]) ** 2) < 0.5 * np.mean((before[:, 0] - y[:12]) ** 2)
    predictor.save(tmp_path / "own.keras")
    model = keras.saving.load_model(tmp_path / "own.keras", compile=False)
    np.testing.assert_allclose(np.asarray(model(x[12:]))[:, 0], predicted, rtol=1e-5)


@pytest.mark.parametrize("kind", ["protonet", "ridge"])
def test_a_class_of_the_runs_without_an_example_is_never_predicted(kind, tmp_path):
    machines = write_table(tmp_path / "machines.parquet", tables.machines(20, 45))
    config = table(machines, *MACHINES, *RIDGE, f"algorithm.kind={kind}")
    learner = Learner.load(run_of(config))
    group = tables.machines(21, 45, seed=1).slice(20 * 45)
    names = ["x", "y", "z", "current", "temperature"]
    x = np.stack([group.column(name).to_numpy() for name in names], axis=1)
    states = np.array(group.column("state").to_pylist())
    some = states != tables.STATES[0]
    predictor = learner.adapt(x[some], states[some])
    assert sorted(predictor.classes) == sorted(tables.STATES)  # the run's
    shares = predictor.predict_proba(x)
    place = list(predictor.classes).index(tables.STATES[0])
    assert (shares[:, place] == 0).all()
    np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="has the class 'unheard of', the run's classes are"):
        learner.adapt(x[:2], ["unheard of", tables.STATES[0]])


def test_a_loss_with_several_outputs_for_a_number_is_refused_before_anything_starts(sensors):
    of_ridge = r"^algorithm\.kind = 'ridge' computes a head for classes or numbers to predict, but "
    with pytest.raises(ValueError, match=of_ridge + "the loss of these tasks is negative log-like"):
        table(sensors, *RIDGE, "task.loss=gaussian_nll")
    of_protonet = r"^algorithm\.kind = 'protonet' computes a head for classes, but the loss of thes"
    config = table(sensors, *RIDGE, "algorithm.kind=protonet")  # of classes, if the column has such
    with pytest.raises(ValueError, match=of_protonet):
        launch(config, make_family(config.task), {})
