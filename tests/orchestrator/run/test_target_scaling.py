"""Tasks in units of their own: targets standardized by each task's support set."""

import keras
import numpy as np
import pytest
import small_configs
from small_configs import ONE_BY_ONE, sinusoid
from small_learners import episode_of, run_of
from small_tables import write_table

from orchestrator.adaptation import artefact
from orchestrator.learner import Learner
from workers.tasks.registry import make_family
from workers.wire.protocol import Draw

pytestmark = pytest.mark.usefixtures("shared_runners")

SMALL = ["outer.steps=4", *ONE_BY_ONE]
PER_TASK = "task.target_scaling=per_task"


def table(source, *overrides):
    return small_configs.table(source, *SMALL, *overrides)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Twenty pumps; the pressure of every other one is in bar, of the rest in pascal."""
    rng = np.random.default_rng(0)
    speed = rng.uniform(1, 2, (20, 12))
    unit = np.where(np.arange(20) % 2, 1.0, 1e5)[:, None]
    pressure = unit * (1 + rng.uniform(0.5, 1, (20, 1)) * speed)
    columns = {
        "sensor": np.repeat([f"pump {i}" for i in range(20)], 12),
        "speed": speed.ravel(),
        "concentration": pressure.ravel(),
    }
    return write_table(tmp_path_factory.mktemp("pumps") / "pumps.parquet", columns)


def test_each_task_has_targets_of_mean_0_and_deviation_1_in_its_support_set(file):
    family = make_family(table(file, PER_TASK).task)
    episode = family.build(family.sample(Draw(0, "train", 0), 0, 30, 6, 4))
    assert episode.support_targets.dtype == np.float32
    np.testing.assert_allclose(episode.support_targets.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(episode.support_targets.std(1), 1, rtol=1e-5)
    assert 0.3 < episode.query_targets.std() < 3


def test_queries_are_in_units_of_the_support_set(file):
    """The pressure is linear in the speed: so are the targets, by one line through both sets."""
    family = make_family(table(file, PER_TASK).task)
    episode = family.build(family.sample(Draw(0, "train", 0), 0, 30, 6, 4))
    for x, y, qx, qy in zip(*(array[..., 0] for array in episode), strict=True):
        slope, offset = np.polyfit(x, y, 1)
        np.testing.assert_allclose(qy, slope * qx + offset, atol=1e-3)


def test_support_targets_that_are_all_the_same_are_only_shifted(file, tmp_path):
    columns = {
        "sensor": list("aaabbbcccddd"),
        "speed": list(range(12)),
        "concentration": [1.0] * 11 + [2],
    }
    path = write_table(tmp_path / "flat.csv", columns)
    shares = ["task.train_tasks=2", "task.validation_tasks=1", "task.test_tasks=1"]
    family = make_family(table(path, PER_TASK, *shares, "task.shots=2", "task.queries=1").task)
    episode = family.build(family.sample(Draw(0, "train", 0), 0, 9, 2, 1))
    flat = np.ptp(episode.support_targets, axis=1)[:, 0] == 0
    assert flat.sum() > 5
    assert not episode.support_targets[flat].any()
    assert np.isfinite(episode.query_targets).all()


def test_the_run_says_what_a_unit_of_its_loss_is_and_its_data_are_others(file):
    plain, scaled = (make_family(table(file, *more).task) for more in ([], [PER_TASK]))
    assert "of the task's own support targets" in scaled.protocol("test")["unit_of_the_loss"]
    assert scaled.protocol("test")["unit_of_the_loss"].startswith("the square of the standard")
    own = make_family(table(file, PER_TASK, "task.loss=gaussian_nll").task).protocol("test")
    assert own["unit_of_the_loss"].startswith("that of targets divided by the standard deviation")
    assert plain.digest != scaled.digest


def adapted(source, factor=1.0, offset=0.0):
    """A predictor for a new pump whose targets are moved, and its queries."""
    x = np.linspace(1, 2, 12)[:, None]
    y = 3 * x[:, 0] ** 2
    return Learner.load(source).adapt(x[::2], factor * y[::2] + offset), x[1::2]


def test_predictions_are_in_the_units_of_the_task_whatever_they_are(file, tmp_path):
    config = table(file, PER_TASK)
    exported = artefact.as_bytes(artefact.load(str(run_of(config))))
    (tmp_path / "pumps.metatrain").write_bytes(exported)
    for source in (run_of(config), tmp_path / "pumps.metatrain"):
        here, x = adapted(source)
        there, _ = adapted(source, factor=1e5, offset=7e5)
        expected = 1e5 * here.predict(x) + 7e5
        np.testing.assert_allclose(there.predict(x), expected, rtol=1e-4)
        by_step = 1e5 * here.by_inner_step(x) + 7e5
        np.testing.assert_allclose(there.by_inner_step(x), by_step, rtol=1e-4)
    other, _ = adapted(run_of(table(file)))
    moved, _ = adapted(run_of(table(file)), factor=1e5, offset=7e5)
    assert not np.allclose(moved.predict(x), 1e5 * other.predict(x) + 7e5, rtol=1e-2)


def test_a_saved_model_answers_in_the_units_of_the_task(file, tmp_path):
    predictor, x = adapted(run_of(table(file, PER_TASK)), factor=1e5)
    predictor.save(tmp_path / "pump.keras")
    model = keras.saving.load_model(tmp_path / "pump.keras", compile=False)
    np.testing.assert_allclose(model.predict(x, verbose=0), predictor.predict(x), rtol=1e-4)


def test_an_episode_of_the_run_is_adapted_to_as_its_evaluation_does():
    """Without the setting nothing changes: values go through as they did."""
    x, y, queries, _ = episode_of(sinusoid(*ONE_BY_ONE))
    predictor = Learner.load(run_of(sinusoid(*ONE_BY_ONE))).adapt(x, y)
    np.testing.assert_allclose(
        predictor.by_inner_step(queries)[-1], predictor.predict(queries), rtol=2e-4, atol=1e-5
    )
