"""A user's Keras model with several inputs, of tasks whose inputs are dicts."""

from pathlib import Path

import numpy as np
import pytest
import small_python
from ray.train import RunConfig
from small_configs import sinusoid

from orchestrator.learner import Learner
from orchestrator.run import train as train_module
from orchestrator.trainer import MetaTrainer

pytestmark = pytest.mark.usefixtures("shared_runners")
HERE = Path(small_python.__file__).parent
TASKS = [
    "task.kind=python",
    "task.source=small_python:with_covariate",
    f"task.folder={HERE}",
    "outer.steps=2",
]


def keras_model(name):
    return ["model.kind=keras", f"model.source=two_inputs:{name}", f"model.folder={HERE}"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_module, "_draw", lambda *given: None)


def train(folder, *overrides):
    place = RunConfig(storage_path=str(folder), name="run")
    return MetaTrainer(sinusoid(*TASKS, *overrides), run_config=place).fit()


def test_a_model_gets_them_by_name_and_adapts_to_dicts(tmp_path):
    result = train(tmp_path, *keras_model("by_name"))
    assert np.isfinite(result.metrics["test_loss"])
    learner = Learner.load(result.path)
    x = {"series": np.ones((3, 6, 1)), "site": [0, 1, 2]}
    predictor = learner.adapt(x, [1.0, 2.0, 3.0])
    answers = predictor.predict({"series": np.ones((2, 6, 1)), "site": [0, 2]})
    assert answers.shape == (2, 1)
    assert answers[0] != answers[1]  # the site is seen
    with pytest.raises(ValueError, match="inputs are a dict of series, site"):
        learner.adapt(np.ones((3, 7)), [1.0, 2.0, 3.0])


def test_a_model_of_other_inputs_is_refused(tmp_path):
    said = r"takes the inputs 'series' \[6, 1\], 'place' \[1\], the tasks have 'series' \[6, 1\], "
    with pytest.raises(ValueError, match=said):
        train(tmp_path, *keras_model("other_names"))


def test_other_models_take_them_as_one_vector(tmp_path):
    assert np.isfinite(train(tmp_path).metrics["test_loss"])
