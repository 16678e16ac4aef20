"""Runs whose model is a user's encoder of texts, with a head put on it."""

from pathlib import Path

import numpy as np
import pytest
from small_configs import SINUSOID, changed
from small_learners import run_of
from small_runs import ShuffledPool, in_process, sha256_after
from small_texts import rows_of, write

from orchestrator.cli import export_command
from orchestrator.learner import Learner

pytestmark = pytest.mark.usefixtures("shared_runners")

SETTINGS = {
    **SINUSOID,
    "task": {"kind": "text", "ways": 3, "shots": 2, "queries": 3, "tokens": "words"},
    "model": {
        "kind": "keras",
        "source": "text_models:encoder",
        "folder": str(Path(__file__).parents[2] / "fakes/tasks"),
        "encoder": True,
    },
    "algorithm": {"kind": "anil", "inner_lr": 1.0},
    "outer": {"lr": 0.01, "meta_batch_size": 4, "steps": 4},
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("texts") / "a.csv", rows_of(num_classes=24))
    return changed(SETTINGS, f"task.path={path}")


def test_an_exported_run_has_the_head_in_its_model(config, tmp_path):
    export_command.export_run(str(run_of(config)), tmp_path / "a.metatrain")
    texts = [f"please bring {word}" for word in ("pears", "nuts", "figs") for _ in range(2)]
    labels = ["a", "a", "b", "b", "c", "c"]
    outputs = [
        Learner.load(source).adapt(texts, labels).predict_proba(["please bring figs"])
        for source in (run_of(config), tmp_path / "a.metatrain")
    ]
    assert outputs[0].shape == (1, 3)
    np.testing.assert_array_equal(*outputs)


def test_theta_does_not_depend_on_the_order_of_blocks(config):
    launch = in_process(config)
    assert sha256_after(launch, ShuffledPool(launch.pool)) == sha256_after(launch)
