"""MetaTrainer in a notebook's kernel, with its own Ray or on a cluster."""

import re

import notebook_kernel
import pytest

pytestmark = pytest.mark.usefixtures("shared_runners")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


_SHORT_RUN = """
from orchestrator.trainer import MetaTrainer
from ray.train import RunConfig, ScalingConfig

result = MetaTrainer(
    "sinusoid",
    overrides={
        "outer.steps": 2,
        "outer.meta_batch_size": 2,
        "evaluation.tasks": 2,
        "evaluation.validation_tasks": 2,
        "evaluation.inner_steps": [1],
        "model.hidden": [4],
        "runtime.xla": False,
        "runtime.execution": "map",
    },
    scaling_config=ScalingConfig(num_workers=1),
    run_config=RunConfig(storage_path="runs", name="NAME"),
).fit()
print(result.metrics["tested_theta_sha256"])
"""
#: Pictures are looked at elsewhere.
_NO_PICTURES = """
from orchestrator.run import train

train._draw = lambda *given: None
"""
_SET_ADDRESS = "import os; os.environ['RAY_ADDRESS'] = '{}'"
_UNSET_ADDRESS = "del os.environ['RAY_ADDRESS']"


def hashes(printed):
    return re.findall("^[0-9a-f]{64}$", printed, re.MULTILINE)


@pytest.fixture
def cell(tmp_path):
    """A function that runs a cell and gives what was printed, and the traceback."""
    with notebook_kernel.started(tmp_path) as run:

        def plain(code):
            output = run(code)
            return output.text, output.error

        yield plain


def on_a_ray_of_its_own(cell, name, tries=3):
    """Run with a Ray of its own; repeat if its first node exceeded 30 s on a busy machine."""
    printed, error = cell(_SHORT_RUN.replace("NAME", name))
    if "timed out during startup" in error and tries > 1:
        return on_a_ray_of_its_own(cell, f"{name}-again", tries - 1)
    assert not error
    return hashes(printed)


@pytest.mark.ray
@pytest.mark.slow
def test_in_a_notebook_on_a_ray_of_its_own_and_on_the_cluster_of_ray_address(cell, shared_ray):
    """Ray starts and ends with each cell, or is joined and left, in one process."""
    assert cell(_NO_PICTURES) == ("", "")
    once = on_a_ray_of_its_own(cell, "a")
    assert len(once) == 1
    assert cell(_SET_ADDRESS.format(shared_ray)) == ("", "")
    printed, error = cell(_SHORT_RUN.replace("NAME", "b"))
    assert not error
    assert hashes(printed) == once
    assert cell(_UNSET_ADDRESS) == ("", "")
    assert on_a_ray_of_its_own(cell, "c") == once
